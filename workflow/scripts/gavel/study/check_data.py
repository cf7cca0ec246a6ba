"""Check a study's splits, once they are written, against what the study does with them."""

from collections.abc import Mapping
from typing import Any

from gavel.common.paths import is_shipped
from gavel.data.check_sizes import check_references, check_solutions, check_unlabeled, check_validation, check_withheld
from gavel.data.pretrain_check import check_origin
from gavel.models.context import check_files
from gavel.study.layout import DataFiles, local_models, readable_model


def check_splits(
    study: dict[str, Any], summary: Mapping[str, Any], files: DataFiles, context: int | None = None
) -> None:
    """Check that the splits have enough questions and solutions, and that every question fits the student's context.

    Args:
        study: the resolved config.
        summary: the contents of `splits.json`.
        files: where the splits are.
        context: the context length of a student that is still a GGUF file.

    Raises:
        InputError: there are too few, a row does not fit, or a model was pretrained on another split.
    """
    counts, judge, sft = summary["counts"], study["judge"], study["sft"]
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
    if judge["simulated"] or "all-answers" in (*study["controls"]["rewards"], *study["controls"]["sft"]):
        key = "judge.simulated" if judge["simulated"] else "controls: all-answers"
        check_withheld(key, summary["notes"]["withheld"], counts["unlabeled"])
    check_validation((judge["benchmark"] or {"questions": 0})["questions"], counts["validation"])
    for key, model in local_models(study).items():
        if _generates(study["data"]) or not is_shipped(model):
            check_origin(model, f"{key}.model", files.pretrain)
    splits = [files.labeled, files.unlabeled, files.validation, files.perturbed]
    tests = [files.test(name) for name in study["data"]["tests"]]
    if student := readable_model(study, "student"):
        check_files(study, splits + tests, student, context)


def _generates(data: Mapping[str, Any]) -> bool:
    """Whether any of a study's questions are generated."""
    sources = (data["pretrain"], data["train"], *data["tests"].values())
    return any(source["reader"] == "generator" for source in sources if source)
