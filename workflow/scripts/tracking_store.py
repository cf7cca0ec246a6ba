from typing import TYPE_CHECKING

from gavel.progress import say, script_log
from gavel.study_tracking import open_store

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "tracking store"):
    open_store(snakemake.config, say)
