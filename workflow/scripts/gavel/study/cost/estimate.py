"""Estimate what a study costs on GPUs, from counts: tokens, floating-point operations, memory, hours.

Per parameter, a token costs 2 operations to read or write and 6 to train on (a forward pass, and a backward pass of
twice the cost): Kaplan et al. 2020, arXiv 2001.08361, section 2.1. The cost of attention over the context is left out
here, and there for contexts far below 12 times the model's width. Nothing in this module was measured.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open

from gavel.common.errors import InputError
from gavel.common.files import read_json
from gavel.judge.kinds import KINDS
from gavel.models.limits import MAX_BATCH_SIZE
from gavel.study import layout, params
from gavel.study.cost.workload import Work, work
from gavel.study.rules import RULES
from gavel.training.rl.algorithms import ALGORITHMS

FORWARD, TRAINING = 2, 6  # operations per parameter and token
RECOMPUTED = 2  # more in training with gradient checkpointing, which computes the forward pass twice
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "auto": 2}


@dataclass(frozen=True)
class Size:
    """A model's size: all `parameters`, with embeddings; `kv_width`: width of a token's key (or value) per layer."""

    parameters: float
    layers: int
    kv_width: int


# From the models' cards and configs on the hub.
SIZES = {
    "facebook/galactica-125m": Size(125e6, 12, 768),
    "facebook/galactica-1.3b": Size(1.3e9, 24, 2048),
    "facebook/galactica-6.7b": Size(6.7e9, 32, 4096),
    "Qwen/Qwen2.5-1.5B-Instruct": Size(1.54e9, 28, 256),
    "Qwen/Qwen2.5-7B-Instruct": Size(7.61e9, 28, 512),
    "Qwen/Qwen2.5-32B-Instruct": Size(32.5e9, 64, 1024),
}


def size_of(name: str, key: str) -> Size:
    """The size of a hub model in `SIZES`, or of a model folder with config.json and safetensors files.

    Raises:
        InputError: the model is neither; the message names the config's `key`.
    """
    if name in SIZES:
        return SIZES[name]
    folder = Path(name)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        known = ", ".join(SIZES)
        raise InputError(f"{key}: the size of {name!r} is unknown; give a folder with its weights, or one of {known}")
    config = read_json(folder / "config.json")
    heads = config["num_attention_heads"]
    width = config.get("head_dim") or config["hidden_size"] // heads
    kv_heads = config.get("num_key_value_heads") or heads
    return Size(sum(map(_numbers, files)), config["num_hidden_layers"], kv_heads * width)


def _numbers(path: Path) -> int:
    """Number of parameters in a safetensors file; only its header is read."""
    with safe_open(path, "numpy") as tensors:
        return sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118


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
    response = config["solution"]["max_new_tokens"] * (1 if longest else assumed.length)
    asked = judging(config, assumed, response, longest)
    found = [_cost(item, config, student, judge, response, asked, assumed) for item in work(config)]
    return [cost for cost in found if cost.flops]


def judging(config: dict[str, Any], assumed: Assumptions, response: float, longest: bool) -> tuple[float, float]:
    """Tokens that the judge reads and writes per judging prompt, summed over all phrasings.

    A pairwise judge reads two responses. A chain-of-thought judge reads its prompt once to reason, and again before
    each verdict, together with its reasoning.
    """
    section = config["judge"]
    prompts = max(1, len(params.judge_prompts(config)))  # a judge without judging prompts reads the response once too
    phrasings = prompts * (2 if section["prompting"]["swap_labels"] else 1)
    responses = 2 if KINDS[section["kind"]].comparative else 1
    prompt, reasoning = assumed.judging + responses * response, section["reasoning"]
    if not reasoning:
        return phrasings * prompt, 0.0
    each = reasoning["max_new_tokens"] * (1 if longest else assumed.reasoning)
    written = reasoning["samples"] * each
    return phrasings * ((1 + reasoning["samples"]) * prompt + written), phrasings * written


def sizes(config: dict[str, Any]) -> tuple[Size, Size | None]:
    """The sizes of student and judge; None for a judge on a server, whose GPUs are not the study's."""
    # Training does not change a judge's size, and may not have happened yet.
    before = layout.model_or_hub_name(config, "judge", trained=False)
    judge = None if config["judge"]["server"] else size_of(before, "judge.model")
    return size_of(layout.model_or_hub_name(config, "student"), "student.model"), judge


def _cost(
    item: Work,
    config: dict[str, Any],
    student: Size,
    judge: Size | None,
    response: float,
    asked: tuple[float, float],
    assumed: Assumptions,
) -> Cost:
    section = config["sft" if item.rule == "train_sft" else "rl"]
    sequence = assumed.prompt + response
    written, trained = item.completions * response, item.examples * sequence
    read_by_judge, written_by_judge = (item.judged * tokens for tokens in asked)
    judging_flops = FORWARD * judge.parameters if judge else 0  # per token
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


def memory(config: dict[str, Any], assumed: Assumptions) -> dict[str, dict[str, float]]:
    """GiB per GPU, by job and use: weights, gradients, optimiser states (AdamW has two), the models besides the policy,
    and the KV cache of a generation batch with responses of maximum length, including a judge's reasoning.

    Activations, the framework's overhead and fragmentation come on top. Data types are the config's: with `bf16`,
    products are computed in bfloat16, but the weights keep their type.
    """
    student, judge = sizes(config)
    width = BYTES[config["student"]["dtype"]]
    weights = student.parameters * width
    judge_bytes = judge.parameters * BYTES[config["judge"]["dtype"]] if judge else 0
    token = 2 * student.layers * student.kv_width * width
    longest = config["solution"]["max_new_tokens"]
    rl, compute = config["rl"], config["compute"]
    parts = compute["processes"] if compute["distributed"] != "ddp" else 1
    weight_parts = parts if compute["distributed"] == "fsdp" else 1

    evaluation = config["evaluation"]

    def decoding(rows: int, group: int, limit: int | None = None) -> float:
        return token * min(rows * longest + rows / group * assumed.prompt, limit or math.inf)

    def trained(section: dict[str, Any]) -> dict[str, float]:
        trainable = 0 if section["lora"] else weights  # adapters are negligible
        shards = {
            "weights": weights / weight_parts,
            "gradients": trainable / parts,
            "optimiser": 2 * trainable / parts,
        }
        return shards | {"weights, gathered": weights - weights / weight_parts}  # during sampling

    judge_token = BYTES[config["judge"]["dtype"]] * 2 * judge.layers * judge.kv_width if judge else 0
    reasoning = judge_token * config["judge"]["batch_tokens"] * bool(config["judge"]["reasoning"])
    beside = weights * (rl["validation"]["reference"] + (rl["kl_coefficient"] > 0 and not rl["lora"]))
    critic = any(ALGORITHMS[name].critic for name in rl["algorithms"]) and rl["ppo"]["trunk"] == "own"
    batch, tokens = evaluation["batch_size"], evaluation["batch_tokens"]
    rows = min(rl["generation_batch_size"], rl["prompts_per_step"] * rl["num_generations"])
    validating = {"keys and values": decoding(min(MAX_BATCH_SIZE, batch), 1, tokens)}
    first = {"train_sft": trained(config["sft"]) | validating} if config["sft"] else {}
    jobs = first | {
        "train_rl": trained(rl)
        | {"critic": 4 * weights * critic, "SFT policy" if config["sft"] else "base model": beside}
        | {"judge": judge_bytes, "judge's keys and values": reasoning}
        | {"keys and values": decoding(rows, rl["num_generations"])},
        "generate": {"weights": weights, "keys and values": decoding(batch, evaluation["samples"], tokens)},
        "score": {"judge": judge_bytes, "judge's keys and values": reasoning},
    }
    if evaluation["vllm"]:
        del jobs["generate"]  # vLLM takes the fraction of memory that the config gives it
    if not (judge_bytes and evaluation["judge"]):
        del jobs["score"]
    return {job: {what: size / 2**30 for what, size in uses.items()} for job, uses in jobs.items()}
