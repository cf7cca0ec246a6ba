from typing import TYPE_CHECKING

from gavel.files import write_json
from gavel.preflight import check
from gavel.progress import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "check models"):
    found = check(
        student=snakemake.params.student,
        judge=snakemake.params.judge,
        pretrain=snakemake.input.pretrain,
        labeled=snakemake.input.labeled,
        prompt=snakemake.params.solution["prompt"],
        solution_format=snakemake.params.solution["format"],
    )
    write_json(snakemake.output[0], found)
