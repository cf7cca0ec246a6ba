from typing import TYPE_CHECKING

from gavel.common.log import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "judgments"):
    from gavel.common.dataclass_config import from_section
    from gavel.jobs.threads import use_threads
    from gavel.training.judge.judgments import make_judgments
    from gavel.training.judge.self_taught_settings import SelfTaughtSettings

    use_threads(snakemake.threads)
    params = snakemake.params
    make_judgments(
        pairs=snakemake.input.pairs,
        iteration=int(snakemake.wildcards.iteration),
        judge_settings=params.judge | {"model": str(snakemake.input.judge)},
        settings=from_section(SelfTaughtSettings, params.settings, "judge.self_taught"),
        output=snakemake.output.judgments,
    )
