from pathlib import Path
from typing import TYPE_CHECKING

from gavel.data import check_counts, prepare
from gavel.origin import check_origin
from gavel.progress import say, script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "data"):
    summary = prepare(
        **snakemake.params.settings,
        require_program=snakemake.params.solution_format == "program",
        output=Path(snakemake.output.summary).parent,
    )
    check_counts(summary["counts"], snakemake.config["judge"])
    for key, model in snakemake.params.models.items():
        check_origin(model, f"{key}.model", snakemake.output.pretrain)
    say(", ".join(f"{name} {count}" for name, count in summary["counts"].items()), console=True)
