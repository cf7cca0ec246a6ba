"""Limits on the responses generated in one batch."""

from collections.abc import Mapping
from typing import Any, TypedDict

MAX_BATCH_SIZE = 256  # responses per batch in validation and judging


class Limits(TypedDict, total=False):
    """Batch limits, as keyword arguments of `gavel.models.sampling.sample`."""

    batch_size: int
    batch_tokens: int | None


def limits(evaluation: Mapping[str, Any]) -> Limits:
    """Limits for `gavel.models.sampling.sample` in validation and judging, from the config's `evaluation`."""
    return {"batch_size": min(MAX_BATCH_SIZE, evaluation["batch_size"]), "batch_tokens": evaluation["batch_tokens"]}
