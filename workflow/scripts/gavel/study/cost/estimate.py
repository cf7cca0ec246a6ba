"""Estimate what a study costs on GPUs, from counts: tokens, floating-point operations, hours.

Per parameter, a token costs 2 operations to read or write and 6 to train on (a forward pass, and a backward pass of
twice the cost): Kaplan et al. 2020, arXiv 2001.08361, section 2.1. The cost of attention over the context is left out
here, and there for contexts far below 12 times the model's width. Nothing in this module was measured.
"""

import statistics
from dataclasses import dataclass
from typing import Any

from gavel.judge.kinds import KINDS
from gavel.study.cost.sizes import Size, panel_sizes, sizes
from gavel.study.cost.workload import Work, work
from gavel.study.named_judge import judge_settings, parts, prompts_of
from gavel.study.rules import RULES

FORWARD, TRAINING = 2, 6  # operations per parameter and token
RECOMPUTED = 2  # more in training with gradient checkpointing, which computes the forward pass twice


@dataclass(frozen=True)
class Assumptions:
    """Assumptions that are not in the config. Lengths in tokens; utilisations as fractions of `peak` (operations/s)."""

    prompt: int = 150  # a solving prompt
    judging: int = 250  # a judging prompt without the response
    length: float = 0.4  # mean response, as a fraction of solution.max_new_tokens
    reasoning: float = 0.6  # mean reasoning, as a fraction of judge.reasoning.max_new_tokens
    peak: float = 312e12
    training: float = 0.3
    reading: float = 0.4
    writing: float = 0.02
    vllm: float = 0.1  # writing with vLLM


@dataclass(frozen=True)
class Cost:
    """A rule's totals over its jobs.

    Attributes:
        written, trained: tokens that the student writes and is trained on.
        judged: tokens that the judge reads and writes.
        flops: floating-point operations.
        hours: of GPUs in use.
        allocated: hours of all GPUs allocated to the jobs.
    """

    work: Work
    written: float
    trained: float
    judged: float
    flops: float
    hours: float
    allocated: float


def costs(config: dict[str, Any], assumed: Assumptions, longest: bool = False) -> list[Cost]:
    """The cost of every rule that uses student or judge.

    Args:
        config: resolved.
        longest: assume that every response has the maximum length, for an upper bound.
    """
    student, judge = sizes(config)
    members = [member.size.parameters for member in panel_sizes(config)]
    # Each token of a panel is read by one of its members.
    parameters = judge.parameters if judge else statistics.fmean(members) if members else 0.0
    response = config["solution"]["max_new_tokens"] * (1 if longest else assumed.length)
    asked = judging(config, assumed, response, longest)
    found = [_cost(item, config, student, parameters, response, asked, assumed) for item in work(config)]
    return [cost for cost in found if cost.flops]


def judging(config: dict[str, Any], assumed: Assumptions, response: float, longest: bool) -> tuple[float, float]:
    """Tokens that the judge reads and writes per judging prompt, summed over all phrasings, and over a panel's members.

    A pairwise judge reads two responses. A chain-of-thought judge reads its prompt once to reason, and again before
    each verdict, together with its reasoning.
    """
    section = config["judge"]
    asked = (len(prompts_of(part)) * (2 if part.get("swap_labels") else 1) for part in parts(judge_settings(config)))
    phrasings = max(1, sum(asked))  # a judge without judging prompts reads the response once, too
    responses = 2 if KINDS[section["kind"]].comparative else 1
    prompt, reasoning = assumed.judging + responses * response, section["reasoning"]
    if not reasoning:
        return phrasings * prompt, 0.0
    each = reasoning["max_new_tokens"] * (1 if longest else assumed.reasoning)
    written = reasoning["samples"] * each
    return phrasings * ((1 + reasoning["samples"]) * prompt + written), phrasings * written


def _cost(
    item: Work,
    config: dict[str, Any],
    student: Size,
    judge: float,
    response: float,
    asked: tuple[float, float],
    assumed: Assumptions,
) -> Cost:
    section = config["sft" if item.rule in ("train_sft", "train_control") else "rl"]
    sequence = assumed.prompt + response
    written, trained = item.completions * response, item.examples * sequence
    read_by_judge, written_by_judge = (item.judged * tokens for tokens in asked)
    judging_flops = FORWARD * judge  # per token
    training_flops = TRAINING + RECOMPUTED * section["gradient_checkpointing"]  # per parameter and token
    flops = {
        "training": training_flops * student.parameters * (trained + item.critic * sequence),
        "writing": FORWARD * student.parameters * written,
        "reading": FORWARD * student.parameters * (item.prompts * assumed.prompt + item.read * sequence)
        + judging_flops * read_by_judge,
        "reasoning": judging_flops * written_by_judge,
    }
    vllm = {"generate": config["evaluation"]["vllm"], "train_rl": config["rl"]["vllm"]}
    rates = {"writing": assumed.vllm if vllm.get(item.rule) else assumed.writing, "reasoning": assumed.writing}
    rates |= {"training": assumed.training, "reading": assumed.reading}
    hours = sum(count / (assumed.peak * rates[kind]) for kind, count in flops.items()) / 3600
    rule = RULES[item.rule]
    used = config["compute"]["processes"] if rule.parallel else 1
    held = hours * max(1, rule.gpus(config)) / used
    judged = read_by_judge + written_by_judge
    return Cost(item, written, trained, judged, sum(flops.values()), hours, held)
