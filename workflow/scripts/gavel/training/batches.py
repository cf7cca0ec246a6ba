"""How batches are split to fit memory: an optimiser step into micro-batches, a rollout among processes."""

from typing import NamedTuple

from gavel.common.errors import InputError


class MicroBatches(NamedTuple):
    """One process's part of an optimiser step: examples in a micro-batch, and number of micro-batches."""

    size: int
    number: int


def split_batch(batch_size: int, processes: int, micro: int | None, key: str) -> MicroBatches:
    """The micro-batches of one optimiser step on `batch_size` examples, for one process.

    Args:
        micro: examples in a micro-batch, at most all of the process's; None takes all of them.
        key: the section of the config, for messages.

    Raises:
        InputError: the batch does not divide evenly.
    """
    own, rest = divmod(batch_size, processes)
    if rest:
        raise InputError(
            f"{key}.batch_size is {batch_size}, which {processes} processes (compute.processes) cannot share evenly"
        )
    size = min(micro or own, own)
    if own % size:
        shared = f" ({batch_size} for {processes} processes)" if processes > 1 else ""
        raise InputError(
            f"{key}.micro_batch_size: {own} examples a step{shared} do not divide into micro-batches of {size}"
        )
    return MicroBatches(size, own // size)


def split_rollout(
    prompts: int, generations: int, processes: int, minibatches: int, micro: int | None, key: str = "rl"
) -> MicroBatches:
    """The micro-batches of one optimiser step, for one process.

    Args:
        prompts: questions in a rollout (`rl.prompts_per_step`).
        generations: completions of each question (`rl.num_generations`).
        processes: processes that train together; each takes complete groups of completions.
        minibatches: optimiser steps in one pass over the rollout.
        micro: completions in a micro-batch, at most a full mini-batch; None takes a full one.
        key: the section of the config, for messages.

    Raises:
        InputError: the rollout does not divide evenly.
    """
    if prompts % processes:
        raise InputError(
            f"{key}.prompts_per_step: {prompts} questions a step do not divide among {processes} processes "
            "(compute.processes); each takes complete groups of completions"
        )
    completions = prompts * generations // processes
    minibatch = completions // minibatches
    size = min(micro or minibatch, minibatch)
    accumulate = completions // (minibatches * size) if size else 0
    if size * minibatches * accumulate != completions:
        shared = f" / {processes} processes" if processes > 1 else ""
        raise InputError(
            f"{key}: {completions} completions a step (prompts_per_step * num_generations{shared}) do not divide into "
            f"{minibatches} mini-batches of micro-batches of {size}; change {key}.micro_batch_size"
            + (" or rl.ppo.minibatches" if minibatches > 1 else "")
        )
    return MicroBatches(size, accumulate)
