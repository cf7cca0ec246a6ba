from pathlib import Path
from typing import TYPE_CHECKING

from gavel.common.log import info, script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "comparison"):
    from gavel.report.comparison.page import render

    params, html = snakemake.params, snakemake.output.html
    folders = {name: Path(path).parent for name, path in zip(params.names, snakemake.input.configs, strict=True)}
    render(
        folders,
        html,
        title=params.title,
        question=params.question,
        axis=params.axis,
        figures_dir=snakemake.output.figures,
        command=f"snakemake --cores all {html}",
    )
    info(f"open {html}", console=True)
