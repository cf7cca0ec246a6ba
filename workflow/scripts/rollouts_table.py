from typing import TYPE_CHECKING

from gavel.common.log import info, script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "rollouts"):
    from gavel.data.gold import read_questions
    from gavel.jobs.threads import use_threads
    from gavel.replay.truth import write_table
    from gavel.solutions.answers import use_budget
    from gavel.training.rl.rewards import RewardRules

    use_threads(snakemake.threads)
    use_budget(snakemake.config["solution"]["batch_seconds"])
    rows = write_table(
        dict(zip(snakemake.params.runs, map(str, snakemake.input.rollouts), strict=True)),
        read_questions([*snakemake.input.questions, snakemake.input.withheld]),
        RewardRules(**snakemake.params.rules),
        snakemake.output.table,
        snakemake.params.accepts,
    )
    info(f"{len(rows)} steps of {len(snakemake.params.runs)} runs against the truth")
