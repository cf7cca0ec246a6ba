"""Renamed config keys. Using an old name is an error that gives the new one."""

from collections.abc import Mapping, Sequence
from typing import Any

# Dotted path of the old key -> dotted path of the new key; `*` matches any name. Renamed sections are reported first,
# so the keys in such a section are listed under its new name.
RENAMED = {
    "data.pretrain.of": "data.pretrain.perturbs",
    "data.train.of": "data.train.perturbs",
    "data.tests.*.of": "data.tests.*.perturbs",
    "student.scratch.wrong": "student.scratch.corrupted_fraction",
    "student.scratch.bare": "student.scratch.no_question_fraction",
    "judge.scratch.reading_steps": "judge.scratch.lm_steps",
    "sft.check_every": "sft.validate_every",
    "judge.below": "judge.on_weak_judge",
    "judge.prompt": "judge.prompting.prompt",
    "judge.labels": "judge.prompting.labels",
    "judge.swap_labels": "judge.prompting.swap_labels",
    "judge.chat": "judge.prompting.chat",
    "judge.chat_template_kwargs": "judge.prompting.chat_template_kwargs",
    "judge.rl.check_every": "judge.rl.validate_every",
    "judge.rl.kl": "judge.rl.kl_coefficient",
    "judge.rl.micro_rollout": "judge.rl.generation_batch_size",
    "judge.server.startup_s": "judge.server.startup_timeout_s",
    "judge.self_taught.ways": "judge.self_taught.negatives",
    "judge.self_taught.sft.check_every": "judge.self_taught.sft.validate_every",
    "judge.self_taught.dpo.check_every": "judge.self_taught.dpo.validate_every",
    "judge.self_taught.dpo.nll": "judge.self_taught.dpo.nll_coefficient",
    "rl.kl": "rl.kl_coefficient",
    "rl.kl_in": "rl.kl_placement",
    "rl.labeled_share": "rl.labeled_fraction",
    "rl.lambda_start": "rl.lambda_schedule.start",
    "rl.lambda_steps": "rl.lambda_schedule.steps",
    "rl.max_missing_rewards": "rl.max_missing_fraction",
    "rl.micro_rollout": "rl.generation_batch_size",
    "rl.monitor": "rl.validation",
    "rl.validation.action": "rl.validation.on_collapse",
    "rl.validation.early_stop": "rl.validation.early_stopping_patience",
    "rl.vllm.startup_s": "rl.vllm.startup_timeout_s",
    "primary.set": "primary.test_set",
}


def renamed(path: Sequence[str]) -> str | None:
    """The new name of the key at a path, dotted; None if no key had that name."""
    for old, new in RENAMED.items():
        pattern = old.split(".")
        if len(pattern) == len(path) and all(part in ("*", name) for part, name in zip(pattern, path, strict=True)):
            names = iter(name for part, name in zip(pattern, path, strict=True) if part == "*")
            return ".".join(next(names) if part == "*" else part for part in new.split("."))
    return None


def old_keys(section: Mapping[str, Any], *path: str) -> dict[str, str]:
    """The keys in a config, or in its section at a path, that have been renamed: old -> new, both dotted."""
    found: dict[str, str] = {}
    for key, value in section.items():
        key_path = (*path, str(key))
        if new := renamed(key_path):
            found[".".join(key_path)] = new
        elif isinstance(value, Mapping):
            found |= old_keys(value, *key_path)
    return found
