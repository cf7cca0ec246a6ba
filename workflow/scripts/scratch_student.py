from typing import TYPE_CHECKING

from gavel.common.log import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "student from scratch"):
    from gavel.common.dataclass_config import from_section
    from gavel.jobs.threads import use_threads
    from gavel.training.scratch.student import StudentRecipe, make_student

    use_threads(snakemake.threads)
    recipe = from_section(StudentRecipe, snakemake.params.recipe, "student.scratch")
    make_student(snakemake.input.pretrain, snakemake.output.model, recipe)
