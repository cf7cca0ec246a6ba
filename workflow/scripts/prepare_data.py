from pathlib import Path
from typing import TYPE_CHECKING

from gavel.common.log import info, script_log
from gavel.data.check_sizes import check_references, check_solutions, check_unlabeled, check_validation
from gavel.data.prepare import prepare
from gavel.data.pretrain_check import check_origin
from gavel.models.context import check_files
from gavel.study.layout import start_model

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "data"):
    summary = prepare(
        **snakemake.params.settings,
        **snakemake.params.solution,
        output=Path(snakemake.output.summary).parent,
    )
    counts, judge, sft = summary["counts"], snakemake.config["judge"], snakemake.config["sft"]
    solutions = summary["notes"]["solutions"]
    if sft:
        check_solutions(solutions["labeled"], counts["labeled"], sft["batch_size"], solutions["not_converted"])
    for key in ("benchmark", "self_taught", "rl"):
        if judge[key]:
            check_references(solutions["validation"], f"judge.{key}", "validation")
    if judge["rl"]:
        check_references(solutions["labeled"], "judge.rl", "labelled")
    if taught := judge["self_taught"]:
        check_unlabeled(taught["iterations"], taught["questions"], counts["unlabeled"])
    check_validation((judge["benchmark"] or {"questions": 0})["questions"], counts["validation"])
    for key, model in snakemake.params.models.items():
        check_origin(model, f"{key}.model", snakemake.output.pretrain)
    # Not a param: another model or token limit must not rerun this job. Jobs that train or sample check their own rows.
    files = [path for name, path in snakemake.output.items() if name not in ("pretrain", "tests", "summary")]
    check_files(snakemake.config, [*files, *snakemake.output.tests], start_model(snakemake.config, "student"))
    sizes = ", ".join(f"{name} {count}" for name, count in counts.items())
    info(f"{sizes}; {solutions['labeled']} of the labelled questions have a solution for SFT", console=True)
