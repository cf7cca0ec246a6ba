from typing import TYPE_CHECKING

from gavel.common.log import info, script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "rollouts"):
    from gavel.data.gold import read_questions
    from gavel.jobs.threads import use_threads
    from gavel.replay.questions_by_step import FollowedQuestions, read_kinds
    from gavel.replay.truth import write_table
    from gavel.solutions.answers import use_budget
    from gavel.training.rl.rewards import RewardRules

    use_threads(snakemake.threads)
    use_budget(snakemake.config["solution"]["batch_seconds"])
    params, data = snakemake.params, snakemake.input
    runs = dict(zip(params.runs, map(str, data.rollouts), strict=True))
    questions = read_questions([*data.questions, data.withheld])
    followed = FollowedQuestions(runs, questions, read_kinds(data.questions), params.accepts)
    rows = write_table(
        runs, questions, RewardRules(**params.rules), snakemake.output.table, params.accepts, followed.add
    )
    followed.write(snakemake.output.followed)
    info(f"{len(rows)} steps of {len(runs)} runs against the truth")
