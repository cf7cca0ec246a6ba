"""Variants of one study: a common config, and for each variant the keys that differ."""

import json
from pathlib import Path
from typing import Any

from gavel.common.errors import InputError
from gavel.common.nested import lookup, merge
from gavel.study.resolve import resolve as resolve_study
from gavel.study.schema.study import check_place, check_sweep

# The config keys that a stage depends on; variants with equal values share the stage.
STAGE_SECTIONS = {
    "student": ("data", "student"),
    "judge": ("data", "student", "judge.model", "judge.scratch", "judge.prompting.labels"),
    "sft": ("data", "student", "solution", "sft", "compute"),
    "benchmark": ("data", "student", "solution", "sft", "compute", "rl.temperature", "judge.benchmark"),
    "responses": (
        *("data", "student", "solution", "sft", "compute"),
        *(f"evaluation.{key}" for key in ("samples", "sampled_questions", "temperature", "seed", "vllm")),
    ),
}
OWN_KEYS = ("study", "results_dir", "sweep", "shared")  # that a variant cannot change


def resolve(raw: dict[str, Any], root: str | Path) -> dict[str, Any]:
    """A sweep's config, resolved for the workflow.

    Args:
        raw: the config as read, with `sweep`.
        root: the project's folder.

    Returns:
        `study`, `question`, `results_dir`, `axis`, and `variants`: name -> resolved config of that study. Each
        variant's results are in `results_dir/<name>`; all share one MLflow store, and identical stages (`shared`).

    Raises:
        InputError: the sweep or one of its variants is invalid; the message names the variant.
    """
    common = {key: value for key, value in raw.items() if key != "sweep"}
    common["study"], common["results_dir"] = check_place(raw)
    section = check_sweep(raw["sweep"])
    variants: dict[str, dict[str, Any]] = {}
    for name, overlay in section["variants"].items():
        try:
            variants[name] = resolve_study(_variant(common, name, overlay), root)
        except InputError as error:
            raise InputError(f"sweep.variants.{name}: {str(error).removeprefix('config: ')}") from None
    folder = common["results_dir"]
    store = f"sqlite:///{Path(folder, 'mlflow.db').resolve()}"
    for settings in variants.values():
        settings["tracking"]["uri"] = settings["tracking"]["uri"] or store
    _share(variants)
    question = next(iter(variants.values()))["question"]
    return {"study": common["study"], "question": question, "results_dir": folder, "axis": section["axis"]} | {
        "variants": variants
    }


def _variant(common: dict[str, Any], name: str, overlay: dict[str, Any]) -> dict[str, Any]:
    for key in OWN_KEYS:
        if key in overlay:
            raise InputError(f"{key!r} cannot differ between variants")
    own = {"study": f"{common['study']}-{name}", "results_dir": f"{common['results_dir']}/{name}"}
    return merge(common, overlay) | own


def _share(variants: dict[str, dict[str, Any]]) -> None:
    """Point each stage at the first variant with an identical stage."""
    first: dict[str, str] = {}
    for settings in variants.values():
        shared = {}
        for stage, keys in STAGE_SECTIONS.items():
            inputs = stage + json.dumps([lookup(settings, key) for key in keys], sort_keys=True)
            home = first.setdefault(inputs, settings["results_dir"])
            shared[stage] = home if _made(settings, stage) and home != settings["results_dir"] else None
        settings["shared"] = shared


def _made(settings: dict[str, Any], stage: str) -> bool:
    """Whether the study has the stage at all."""
    if stage == "responses":
        return True
    if stage == "benchmark":
        return settings["judge"]["benchmark"] is not None
    return settings["sft"] is not None if stage == "sft" else settings[stage]["model"] == "scratch"
