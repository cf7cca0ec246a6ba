from pathlib import Path
from typing import TYPE_CHECKING

from gavel.common.log import info, script_log
from gavel.data.check_sizes import check_unlabeled, check_validation
from gavel.data.prepare import prepare
from gavel.data.pretrain_check import check_origin
from gavel.models.context import check_files
from gavel.study.layout import start_model

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "data"):
    summary = prepare(
        **snakemake.params.settings,
        require_program=snakemake.params.require_program,
        output=Path(snakemake.output.summary).parent,
    )
    counts, judge = summary["counts"], snakemake.config["judge"]
    if taught := judge["self_taught"]:
        check_unlabeled(taught["iterations"], taught["questions"], counts["unlabeled"])
    check_validation((judge["benchmark"] or {"questions": 0})["questions"], counts["validation"])
    for key, model in snakemake.params.models.items():
        check_origin(model, f"{key}.model", snakemake.output.pretrain)
    # Not a param: another model or token limit must not rerun this job. Jobs that train or sample check their own rows.
    files = [path for name, path in snakemake.output.items() if name not in ("pretrain", "tests", "summary")]
    check_files(snakemake.config, [*files, *snakemake.output.tests], start_model(snakemake.config, "student"))
    info(", ".join(f"{name} {count}" for name, count in counts.items()), console=True)
