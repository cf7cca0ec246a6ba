from pathlib import Path
from typing import TYPE_CHECKING

from gavel.common.log import info, script_log
from gavel.data.prepare import prepare
from gavel.study.check_data import check_splits
from gavel.study.layout import DataFiles

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "data"):
    folder = Path(snakemake.output.summary).parent
    withheld = snakemake.output.withheld
    summary = prepare(**snakemake.params.settings, **snakemake.params.solution, output=folder, withheld=withheld)
    # Not params: another model or token limit must not rerun this job. Jobs that train or sample check their own rows.
    check_splits(snakemake.config, summary, DataFiles(str(folder)))
    sizes = ", ".join(f"{name} {count}" for name, count in summary["counts"].items())
    solved = summary["notes"]["solutions"]["labeled"]
    info(f"{sizes}; {solved} of the labelled questions have a solution for SFT", console=True)
