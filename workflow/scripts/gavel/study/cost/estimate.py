"""What a study will cost on GPUs, from counts: tokens, floating-point operations, memory, hours.

A token costs 2 operations for each parameter to read or write, and 6 to train on (forward, and a backward pass of
twice that): Kaplan et al. 2020, arXiv 2001.08361, section 2.1. Attention's own part, which grows with the context, is
left out there for contexts far below 12 times the model's width, and here. Nothing in this module was measured.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open

from gavel.common.errors import InputError
from gavel.common.files import read_json
from gavel.judge.kinds import KINDS
from gavel.models.limits import AT_A_TIME
from gavel.study import layout, params
from gavel.study.cost.workload import Work, work
from gavel.study.rules import RULES

FORWARD, TRAINING = 2, 6  # operations for each parameter and token
RECOMPUTED = 2  # more of them in training with gradient checkpointing, which computes the forward pass twice
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "auto": 2}


@dataclass(frozen=True)
class Size:
    """`parameters` of all kinds, embeddings included; `kv_width`: numbers in one token's key (or value) in a layer."""

    parameters: float
    layers: int
    kv_width: int


# As the models' cards and configs on the hub give them.
SIZES = {
    "facebook/galactica-125m": Size(125e6, 12, 768),
    "facebook/galactica-1.3b": Size(1.3e9, 24, 2048),
    "facebook/galactica-6.7b": Size(6.7e9, 32, 4096),
    "Qwen/Qwen2.5-1.5B-Instruct": Size(1.54e9, 28, 256),
    "Qwen/Qwen2.5-7B-Instruct": Size(7.61e9, 28, 512),
    "Qwen/Qwen2.5-32B-Instruct": Size(32.5e9, 64, 1024),
}


def size_of(name: str, key: str) -> Size:
    """The size of a hub model of `SIZES`, or of a model folder with config.json and safetensors files.

    Raises:
        InputError: neither; names the config's `key`.
    """
    if name in SIZES:
        return SIZES[name]
    folder = Path(name)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        known = ", ".join(SIZES)
        raise InputError(f"{key}: the size of {name!r} is not known; give a folder with its weights, or one of {known}")
    config = read_json(folder / "config.json")
    heads = config["num_attention_heads"]
    width = config.get("head_dim") or config["hidden_size"] // heads
    kv_heads = config.get("num_key_value_heads") or heads
    return Size(sum(map(_numbers, files)), config["num_hidden_layers"], kv_heads * width)


def _numbers(path: Path) -> int:
    """Numbers in a safetensors file, of which only the header is read."""
    with safe_open(path, "numpy") as tensors:
        return sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118


@dataclass(frozen=True)
class Assumed:
    """What a config does not say. Lengths in tokens, utilisations as shares of `peak` (operations a second)."""

    prompt: int = 150  # a solving prompt
    judging: int = 250  # a judging prompt without the solution
    length: float = 0.4  # mean completion, as a share of solution.max_new_tokens
    reasoning: float = 0.6  # mean reasoning, as a share of judge.reasoning.max_new_tokens
    peak: float = 312e12
    training: float = 0.3
    reading: float = 0.4
    writing: float = 0.02
    vllm: float = 0.1  # writing with vLLM


@dataclass(frozen=True)
class Cost:
    """One rule's sums over its jobs: tokens that the student has written and was trained on, and that the judge has
    read and written; `held` are the hours of all GPUs that its jobs hold, `hours` those in use."""

    work: Work
    written: float
    trained: float
    judged: float
    flops: float
    hours: float
    held: float


def costs(config: dict[str, Any], assumed: Assumed, longest: bool = False) -> list[Cost]:
    """The cost of every rule that uses student or judge.

    Args:
        config: resolved.
        longest: every completion as long as it may be: the upper bound.
    """
    student, judge = sizes(config)
    completion = config["solution"]["max_new_tokens"] * (1 if longest else assumed.length)
    asked = judging(config, assumed, completion, longest)
    found = [_cost(item, config, student, judge, completion, asked, assumed) for item in work(config)]
    return [cost for cost in found if cost.flops]


def judging(config: dict[str, Any], assumed: Assumed, completion: float, longest: bool) -> tuple[float, float]:
    """Tokens that the judge reads and writes for one judging prompt, all phrasings together.

    A judge that compares reads two solutions. One that reasons reads its prompt, and again before each verdict with
    what it has written.
    """
    section = config["judge"]
    phrasings = len(params.judge_prompts(config)) * (2 if section["prompting"]["swap_labels"] else 1)
    solutions = len(KINDS[section["kind"]].slots) - 1  # the other one is the question
    prompt, reasoning = assumed.judging + solutions * completion, section["reasoning"]
    if not reasoning:
        return phrasings * prompt, 0.0
    each = reasoning["max_new_tokens"] * (1 if longest else assumed.reasoning)
    written = reasoning["samples"] * each
    return phrasings * ((1 + reasoning["samples"]) * prompt + written), phrasings * written


def sizes(config: dict[str, Any]) -> tuple[Size, Size | None]:
    """Those of student and judge; None where a server judges, whose GPUs are not the study's."""
    # Training leaves a judge as large as it was, and may be still to come.
    before = layout.model_now(config, "judge", trained=False)
    judge = None if config["judge"]["server"] else size_of(before, "judge.model")
    return size_of(layout.model_now(config, "student"), "student.model"), judge


def _cost(
    item: Work,
    config: dict[str, Any],
    student: Size,
    judge: Size | None,
    completion: float,
    asked: tuple[float, float],
    assumed: Assumed,
) -> Cost:
    section = config["sft" if item.rule == "train_sft" else "rl"]
    whole = assumed.prompt + completion
    written, trained = item.completions * completion, item.examples * whole
    read_by_judge, written_by_judge = (item.judged * tokens for tokens in asked)
    judging_flops = FORWARD * judge.parameters if judge else 0  # of a token
    once = TRAINING + RECOMPUTED * section["gradient_checkpointing"]
    flops = {
        "training": once * student.parameters * (trained + item.critic * whole),
        "writing": FORWARD * student.parameters * written,
        "reading": FORWARD * student.parameters * (item.prompts * assumed.prompt + item.read * whole)
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


def memory(config: dict[str, Any], assumed: Assumed) -> dict[str, dict[str, float]]:
    """GiB on each GPU, by job and what takes it: weights, gradients, optimiser states (AdamW has two), the models
    beside the policy, and the keys and values of the completions that are decoded at a time, each as long as it may be;
    those of a judge's reasonings too.

    Activations, the framework's own and fragments of memory come on top. Types are the config's: with `bf16` the
    products are bfloat16, the weights stay what they are.
    """
    student, judge = sizes(config)
    width = BYTES[config["student"]["dtype"]]
    weights = student.parameters * width
    judge_bytes = judge.parameters * BYTES[config["judge"]["dtype"]] if judge else 0
    token = 2 * student.layers * student.kv_width * width
    longest = config["solution"]["max_new_tokens"]
    rl, compute = config["rl"], config["compute"]
    parts = compute["processes"] if compute["distributed"] != "ddp" else 1
    kept = parts if compute["distributed"] == "fsdp" else 1

    evaluation = config["evaluation"]

    def decoding(rows: int, group: int, most: int | None = None) -> float:
        return token * min(rows * longest + rows / group * assumed.prompt, most or math.inf)

    def trained(section: dict[str, Any]) -> dict[str, float]:
        share = 0 if section["lora"] else weights  # adapters are small against it
        found = {"weights": weights / kept, "gradients": share / parts, "optimiser": 2 * share / parts}
        return found | {"weights, gathered": weights - weights / kept}  # while it is sampled

    judge_token = BYTES[config["judge"]["dtype"]] * 2 * judge.layers * judge.kv_width if judge else 0
    reasoning = judge_token * config["judge"]["batch_tokens"] * bool(config["judge"]["reasoning"])
    beside = weights * (rl["validation"]["reference"] + (rl["kl_coefficient"] > 0 and not rl["lora"]))
    own = "ppo" in rl["algorithms"] and rl["ppo"]["trunk"] == "own"
    batch, tokens = evaluation["batch_size"], evaluation["batch_tokens"]
    rows = min(rl["generation_batch_size"], rl["prompts_per_step"] * rl["num_generations"])
    jobs = {
        "train_sft": trained(config["sft"]) | {"keys and values": decoding(min(AT_A_TIME, batch), 1, tokens)},
        "train_rl": trained(rl)
        | {"critic": 4 * weights * own, "SFT policy": beside}
        | {"judge": judge_bytes, "judge's keys and values": reasoning}
        | {"keys and values": decoding(rows, rl["num_generations"])},
        "generate": {"weights": weights, "keys and values": decoding(batch, evaluation["samples"], tokens)},
        "score": {"judge": judge_bytes, "judge's keys and values": reasoning},
    }
    if evaluation["vllm"]:
        del jobs["generate"]  # vLLM takes the share of the memory that it is told to take
    if not (judge_bytes and evaluation["judge"]):
        del jobs["score"]
    return {job: {what: size / 2**30 for what, size in found.items()} for job, found in jobs.items()}
