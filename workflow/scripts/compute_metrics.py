from typing import TYPE_CHECKING

from gavel.common.log import script_log
from gavel.evaluation.metrics import write_metrics

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "metrics"):
    params, out = snakemake.params, snakemake.output
    write_metrics(params.files, params.runs, params.ks, params.primary, out.metrics, out.comparisons, out.seeds)
