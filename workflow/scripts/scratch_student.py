from typing import TYPE_CHECKING

from gavel.common.log import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "student from scratch"):
    from gavel.jobs.threads import use_threads
    from gavel.training.scratch.student import make_student

    use_threads(snakemake.threads)
    make_student(snakemake.input.pretrain, snakemake.output.model, snakemake.params.recipe)
