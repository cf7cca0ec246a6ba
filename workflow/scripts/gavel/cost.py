"""What a study will cost on GPUs, from counts: tokens, floating-point operations, memory, hours.

A token costs 2 operations for each parameter to read or write, and 6 to train on (forward, and a backward pass of
twice that): Kaplan et al. 2020, arXiv 2001.08361, section 2.1. Attention's own part, which grows with the context, is
left out there for contexts far below 12 times the model's width, and here. Nothing in this module was measured.
"""

import math
from dataclasses import dataclass

from gavel import study
from gavel.batches import AT_A_TIME
from gavel.errors import InputError
from gavel.judge import KINDS
from gavel.model_sizes import Size, size_of
from gavel.workload import Work, work

FORWARD, TRAINING = 2, 6  # operations for each parameter and token
RECOMPUTED = 2  # more of them in training with gradient checkpointing, which computes the forward pass twice
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "auto": 2}


@dataclass(frozen=True)
class Assumed:
    """What a config does not say. Lengths in tokens, utilisations as shares of `peak` (operations a second)."""

    prompt: int = 150  # a solving prompt
    judging: int = 250  # a judging prompt without the solution
    length: float = 0.4  # mean completion, as a share of solution.max_new_tokens
    peak: float = 312e12
    training: float = 0.3
    reading: float = 0.4
    writing: float = 0.02
    vllm: float = 0.1  # writing with vLLM


@dataclass(frozen=True)
class Cost:
    """One rule's sums over its jobs; `held` are the hours of all GPUs that its jobs hold, `hours` those in use."""

    work: Work
    written: float
    trained: float
    judged: float
    flops: float
    hours: float
    held: float


def costs(config: dict, assumed: Assumed, longest: bool = False) -> list[Cost]:
    """The cost of every rule that uses student or judge.

    Args:
        config: resolved.
        longest: every completion as long as it may be: the upper bound.

    Raises:
        InputError: the judge compares or reasons, which is not reckoned.
    """
    if KINDS[config["judge"]["kind"]].relative:
        raise InputError(
            f"judge.kind: what a {config['judge']['kind']} judge costs is not reckoned yet; docs/judges.md says how "
            "many prompts a group of solutions takes"
        )
    if config["judge"]["reasoning"]:
        raise InputError(
            "judge.reasoning: what a judge writes before it answers is not reckoned yet; leave it out here"
        )
    student, judge = sizes(config)
    completion = config["solution"]["max_new_tokens"] * (1 if longest else assumed.length)
    found = [_cost(item, config, student, judge, completion, assumed) for item in work(config)]
    return [cost for cost in found if cost.flops]


def sizes(config: dict) -> tuple[Size, Size | None]:
    """Those of student and judge; None where a server judges, whose GPUs are not the study's."""
    judge = None if config["judge"]["server"] else size_of(study.model_now(config, "judge"), "judge.model")
    return size_of(study.model_now(config, "student"), "student.model"), judge


def _cost(item: Work, config: dict, student: Size, judge: Size | None, completion: float, assumed: Assumed) -> Cost:
    section = config["sft" if item.rule == "train_sft" else "rl"]
    phrasings = len(study.judge_prompts(config)) * (2 if config["judge"]["swap_labels"] else 1)
    whole = assumed.prompt + completion
    written, trained = item.completions * completion, item.examples * whole
    judged = item.judged * phrasings * (assumed.judging + completion)
    once = TRAINING + RECOMPUTED * section["gradient_checkpointing"]
    flops = {
        "training": once * student.parameters * (trained + item.critic * whole),
        "writing": FORWARD * student.parameters * written,
        "reading": FORWARD * student.parameters * (item.prompts * assumed.prompt + item.read * whole)
        + (FORWARD * judge.parameters * judged if judge else 0),
    }
    by_vllm = config["evaluation"]["vllm"] if item.rule == "generate" else config["rl"]["vllm"] and "rl" in item.rule
    rates = {"writing": assumed.vllm if by_vllm else assumed.writing}
    rates |= {kind: getattr(assumed, kind) for kind in ("training", "reading")}
    hours = sum(count / (assumed.peak * rates[kind]) for kind, count in flops.items()) / 3600
    used = config["compute"]["processes"] if item.rule.startswith("train_") else 1
    held = hours * max(1, study.gpus(config, item.rule.split(",")[0])) / used
    return Cost(item, written, trained, judged, sum(flops.values()), hours, held)


def memory(config: dict, assumed: Assumed) -> dict[str, dict[str, float]]:
    """GiB on each GPU, by job and what takes it: weights, gradients, optimiser states (AdamW has two), the models
    beside the policy, and the keys and values of the completions that are decoded at a time, each as long as it may be.

    Activations, the framework's own and fragments of memory come on top. Types are the config's: with `bf16` the
    products are bfloat16, the weights stay what they are.
    """
    student, judge = sizes(config)
    width = BYTES[config["student"]["dtype"]]
    weights = student.parameters * width
    watcher = judge.parameters * BYTES[config["judge"]["dtype"]] if judge else 0
    token = 2 * student.layers * student.kv_width * width
    longest = config["solution"]["max_new_tokens"]
    rl, compute = config["rl"], config["compute"]
    parts = compute["processes"] if compute["distributed"] != "ddp" else 1
    kept = parts if compute["distributed"] == "fsdp" else 1

    evaluation = config["evaluation"]

    def decoding(rows: int, group: int, most: int | None = None) -> float:
        return token * min(rows * longest + rows / group * assumed.prompt, most or math.inf)

    def trained(section: dict) -> dict[str, float]:
        share = 0 if section["lora"] else weights  # adapters are small against it
        found = {"weights": weights / kept, "gradients": share / parts, "optimiser": 2 * share / parts}
        return found | {"weights, gathered": weights - weights / kept}  # while it is sampled

    beside = weights * (rl["monitor"]["reference"] + (rl["kl"] > 0 and not rl["lora"]))
    own = "ppo" in rl["algorithms"] and rl["ppo"]["trunk"] == "own"
    batch, tokens = evaluation["batch_size"], evaluation["batch_tokens"]
    rows = min(rl["micro_rollout"], rl["prompts_per_step"] * rl["num_generations"])
    jobs = {
        "train_sft": trained(config["sft"]) | {"keys and values": decoding(min(AT_A_TIME, batch), 1, tokens)},
        "train_rl": trained(rl)
        | {"critic": 4 * weights * own, "SFT policy": beside, "judge": watcher}
        | {"keys and values": decoding(rows, rl["num_generations"])},
        "generate": {"weights": weights, "keys and values": decoding(batch, evaluation["samples"], tokens)},
        "score": {"judge": watcher},
    }
    if evaluation["vllm"]:
        del jobs["generate"]  # vLLM takes the share of the memory that it is told to take
    if not (watcher and evaluation["judge"]):
        del jobs["score"]
    return {job: {what: size / 2**30 for what, size in found.items()} for job, found in jobs.items()}
