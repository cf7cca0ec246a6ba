"""How many completions are in memory at a time: a rollout's shares, and what is decoded together."""

from collections.abc import Mapping
from typing import Any, TypedDict

AT_A_TIME = 256  # completions decoded together where no test set is sampled


class Limits(TypedDict, total=False):
    """What is decoded at a time, as keyword arguments of `gavel.models.sampling.sample`."""

    batch_size: int
    batch_tokens: int | None


def limits(evaluation: Mapping[str, Any]) -> Limits:
    """Limits of `gavel.models.sampling.sample` during validation, from the config's `evaluation`."""
    return {"batch_size": min(AT_A_TIME, evaluation["batch_size"]), "batch_tokens": evaluation["batch_tokens"]}
