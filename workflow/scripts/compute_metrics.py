from typing import TYPE_CHECKING

from gavel.metrics import write_metrics
from gavel.progress import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

NAMES = {"final": "last", "best": "best"}

with script_log(snakemake.log[0], "metrics"):
    params = snakemake.params
    places = [(run, name) for run in params.checkpoints for name in params.tests]
    files = [
        (run, NAMES[params.checkpoints[run][rank]], name, path)
        for rank, kind in enumerate(("samples", "alternate"))
        for (run, name), path in zip(places, snakemake.input[kind], strict=True)
    ]
    runs = {"sft": {"algorithm": "sft", "lambda": None, "seed": None}} | {
        run: {"algorithm": cell["algorithm"], "lambda": cell["lam"], "seed": cell["seed"]}
        for run, cell in params.cells.items()
    }
    out = snakemake.output
    write_metrics(files, runs, params.ks, params.primary, out.metrics, out.comparisons, out.seeds)
