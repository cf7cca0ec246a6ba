"""A study made tiny, to see in a few minutes whether every part of it runs: `gavel run --smoke`.

Models, data, prompts, judge, algorithms and GPUs stay the study's own; `LIMITS` and the functions below have all that
changes. The results mean nothing, so the study has another name, another results folder and a title that says so.
Memory is not tested: responses and batches are shorter than the study's.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gavel.common.nested import lookup, merge
from gavel.common.paths import ROOT
from gavel.study.schema.study import check_place, check_sweep, load
from gavel.study.sweep import OWN_KEYS
from gavel.training.rl.algorithms import ALGORITHMS, Passes

SUFFIX = "-smoke"  # of the study's name and results folder
SMOKE_CONFIG = "smoke.yaml"  # the config that `gavel run --smoke` writes into that folder
TITLE = "Smoke run, not a result: "

# Keys with a number -> the most that it is in a smoke run. Keys of sections that the study leaves out are passed over.
LIMITS = {
    "solution.max_new_tokens": 128,
    "student.scratch.steps": 40,
    "judge.scratch.steps": 40,
    "judge.scratch.lm_steps": 40,
    "judge.scratch.questions": 100,
    "judge.calibration_samples": 4,
    "judge.reasoning.max_new_tokens": 64,
    "judge.reasoning.samples": 2,
    "judge.benchmark.questions": 16,
    "judge.benchmark.samples": 2,
    "judge.verifier.samples": 8,
    "judge.verifier.responses": 200,
    "judge.self_taught.questions": 60,
    "judge.self_taught.policy_samples": 4,
    "judge.self_taught.samples": 2,
    "judge.rl.steps": 4,
    "judge.rl.samples": 8,
    "judge.rl.pairs": 1,
    "sft.epochs": 2,
    "sft.warmup": 1,
    "sft.validate_every": 1,
    "rl.steps": 4,
    "rl.warmup": 1,
    "rl.save_every": 2,
    "rl.keep_rollouts": 1,
    "rl.lambda_schedule.steps": 4,
    "rl.ppo.critic_warmup": 1,
    "rl.validation.every": 2,
    "rl.validation.questions": 20,
    "controls.epochs": 1,
    "evaluation.samples": 2,
}
# What replaces a value wherever its section is there: a smoke run continues where a study would stop for its quality.
FIXED = {
    "judge.on_weak_judge": "warn",
    "judge.self_taught.agreement": [0.0, 1.0],
    "rl.signal.on_weak": "warn",
}
BATCH, PROMPTS, GENERATIONS = 8, 8, 4  # examples in a step of SFT; questions in a rollout, and responses to each
LABELED, UNLABELED, VALIDATION, TEST = 48, 128, 40, 20  # questions
READ = 1000  # training rows, where splits are fractions of them
JUDGE_STEPS = 4  # in a stage of the judge's training that has no limit above


def smoke(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a study's smoke run, as a file would have it.

    Args:
        raw: the study's config as read, or a sweep's; every variant is made tiny.

    Raises:
        InputError: the config is invalid.
    """
    if not raw.get("sweep"):
        return merge(raw, changes(load(dict(raw))))
    common = {key: value for key, value in raw.items() if key != "sweep"}
    name, folder = check_place(common)
    variants = {}
    for variant, overlay in check_sweep(raw["sweep"])["variants"].items():
        tiny = smoke(merge(common, overlay))
        variants[variant] = {key: value for key, value in tiny.items() if key not in OWN_KEYS}
    return merge(common, _place(name, folder)) | {"sweep": {**raw["sweep"], "variants": variants}}


def changes(study: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that a smoke run changes, nested as in the config.

    Args:
        study: the config with its defaults.
    """
    changed: dict[str, Any] = {**_place(study["study"], study["results_dir"]), "question": TITLE + study["question"]}
    changed["shared"] = dict.fromkeys(study["shared"])
    for path, value in [*_limited(study), *_fixed(study), *_data(study), *_sft(study), *_rl(study), *_judge(study)]:
        changed = merge(changed, _nested(path, value))
    return changed


def _place(name: str, folder: str) -> dict[str, str]:
    default = any(Path(folder).resolve() == base / "results" for base in (ROOT, Path.cwd()))
    return {"study": f"{name}{SUFFIX}", "results_dir": f"{folder}/{name}{SUFFIX}" if default else f"{folder}{SUFFIX}"}


def _limited(study: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for path, most in LIMITS.items():
        section, _, key = path.partition(".")
        unused = key.startswith("scratch.") and study[section]["model"] != "scratch"
        value = None if unused else _found(study, path)
        if value is not None and value > most:
            yield path, most


def _fixed(study: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from ((path, value) for path, value in FIXED.items() if _found(study, path) is not None)


def _data(study: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Fewer questions in every split and test set."""
    data, taught = study["data"], study["judge"]["self_taught"]
    asked = taught["iterations"] * min(taught["questions"], LIMITS["judge.self_taught.questions"]) if taught else 0
    sizes = {"labeled": LABELED, "unlabeled": max(UNLABELED, asked), "validation": VALIDATION}
    yield from ((f"data.{key}", min(data[key], most)) for key, most in sizes.items() if data[key] >= 1)
    if any(data[key] < 1 for key in sizes):
        yield from _rows("data.train", data["train"], READ)
    for name, source in data["tests"].items():
        yield from _rows(f"data.tests.{name}", source, TEST)


def _rows(path: str, source: Mapping[str, Any], most: int) -> Iterator[tuple[str, Any]]:
    key = "size" if source["reader"] == "generator" else "limit"
    yield f"{path}.{key}", min(source[key] or most, most)


def _sft(study: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if study["sft"]:
        yield from _batch("sft", study["sft"], study["compute"]["processes"])


def _batch(path: str, stage: Mapping[str, Any], processes: int) -> Iterator[tuple[str, Any]]:
    """Fewer examples in a step, which still divide among the processes and into micro-batches."""
    own = min(stage["batch_size"] // processes, max(1, BATCH // processes))
    yield f"{path}.batch_size", own * processes
    if stage["micro_batch_size"]:
        yield f"{path}.micro_batch_size", _divisor(own, stage["micro_batch_size"])


def _rl(study: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """One lambda and one seed, those of the primary comparison, of each algorithm; smaller rollouts."""
    rl, primary, controls = study["rl"], study["primary"], study["controls"]
    seed = rl["seeds"][0] if primary["seed"] is None else primary["seed"]
    yield "rl.lambda", [primary["lambda"]]
    yield "rl.seeds", [seed]
    if rl["runs"]:
        yield "rl.runs", None
    if controls["seeds"]:
        yield "controls.seeds", controls["seeds"][:1]
    named = [*rl["algorithms"], *filter(None, [controls["algorithm"]])]
    passes = [ALGORITHMS[name].passes(Passes(rl["ppo"]["epochs"], rl["ppo"]["minibatches"])) for name in named]
    rollout = dict(_rollout("rl", rl, study["compute"]["processes"], math.lcm(*(one.minibatches for one in passes))))
    yield from rollout.items()
    if 0 < rl["labeled_fraction"] < 1 < rollout["rl.prompts_per_step"]:  # at least one question of each kind
        least = 1 / rollout["rl.prompts_per_step"]
        yield "rl.labeled_fraction", min(max(rl["labeled_fraction"], least), 1 - least)
    if study["evaluation"]["ks"]:
        samples = min(study["evaluation"]["samples"], LIMITS["evaluation.samples"])
        yield "evaluation.ks", sorted({1, samples})


def _rollout(path: str, rl: Mapping[str, Any], processes: int, minibatches: int) -> Iterator[tuple[str, Any]]:
    """Fewer questions in a rollout and fewer responses, which still divide among processes and mini-batches."""
    sizes = (
        (prompts, generations)
        for generations in sorted({min(rl["num_generations"], GENERATIONS), rl["num_generations"]})
        for prompts in range(processes, rl["prompts_per_step"] + 1, processes)
        if prompts >= min(PROMPTS, rl["prompts_per_step"]) and prompts * generations // processes % minibatches == 0
    )
    prompts, generations = next(sizes, (rl["prompts_per_step"], rl["num_generations"]))
    yield f"{path}.prompts_per_step", prompts
    yield f"{path}.num_generations", generations
    if rl["micro_batch_size"]:
        own = max(1, prompts * generations // processes // minibatches)
        yield f"{path}.micro_batch_size", _divisor(own, rl["micro_batch_size"])


def _judge(study: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Short stages of the judge's training."""
    judge, processes = study["judge"], study["compute"]["processes"]
    stages = {"judge.verifier": judge["verifier"], "judge.rl": judge["rl"]}
    if judge["self_taught"]:
        stages |= {f"judge.self_taught.{key}": judge["self_taught"][key] for key in ("sft", "dpo")}
    for path, stage in stages.items():
        if not stage:
            continue
        if path == "judge.rl":
            yield from _rollout(path, stage, processes, 1)
        else:
            yield from _batch(path, stage, processes)
            yield f"{path}.steps", JUDGE_STEPS
        yield f"{path}.validate_every", JUDGE_STEPS


def _found(study: Mapping[str, Any], path: str) -> Any:
    """The value of a key; None if the study leaves out its section."""
    try:
        return lookup(study, path)
    except (KeyError, TypeError):
        return None


def _divisor(number: int, most: int) -> int:
    """The largest divisor of a number that is at most `most`."""
    return next(divisor for divisor in range(min(number, most), 0, -1) if number % divisor == 0)


def _nested(path: str, value: Any) -> dict[str, Any]:
    for key in reversed(path.split(".")):
        value = {key: value}
    nested: dict[str, Any] = value
    return nested
