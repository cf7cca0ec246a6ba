from typing import TYPE_CHECKING

from gavel.common.log import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "judge from scratch"):
    from gavel.common.dataclass_config import from_section
    from gavel.jobs.threads import use_threads
    from gavel.training.scratch.judge import JudgeRecipe, make_judge

    use_threads(snakemake.threads)
    make_judge(
        snakemake.input.pretrain,
        str(snakemake.input.student or snakemake.params.student),
        snakemake.output.model,
        from_section(JudgeRecipe, snakemake.params.recipe, "judge.scratch"),
        tuple(snakemake.params.labels),
    )
