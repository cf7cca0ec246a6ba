"""How many completions are in memory at a time: a rollout's shares, and what is decoded together."""

from collections.abc import Mapping

AT_A_TIME = 256  # completions decoded together where no test set is sampled


def limits(evaluation: Mapping) -> dict[str, int | None]:
    """Limits of `gavel.models.sampling.sample` during validation, from the config's `evaluation`."""
    return {"batch_size": min(AT_A_TIME, evaluation["batch_size"]), "batch_tokens": evaluation["batch_tokens"]}
