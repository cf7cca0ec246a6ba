"""Estimate the memory of a study's jobs, part by part, before they run.

A job goes through phases (an optimiser step, sampling, judging, saving), which hold different things. On a GPU its peak
is that of the largest phase, because PyTorch reuses what an earlier one has freed. On a CPU, glibc returns only blocks
of 32 MiB and more to the system, and smaller ones are hardly reused by phases of other shapes, so these add up.

The constants count copies of a tensor that exist at the same time, for Llama-shaped models. They come from
transformers' and TRL's code, and `benchmarks/memory.py` compares the estimates with measured peaks.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gavel.models.limits import MAX_BATCH_SIZE
from gavel.study import layout
from gavel.study.cost.lengths import Lengths
from gavel.study.cost.sizes import OtherJudge, Size, panel_sizes, sizes, watcher_sizes
from gavel.training.rl.algorithms import ALGORITHMS

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "auto": 2}
MIB = 2**20
# A process that has imported PyTorch, transformers and TRL, and what they load on first use; on a GPU, CUDA's context.
IMPORTS, FIRST_USE, CUDA = 560 * MIB, 65 * MIB, 600 * MIB
RETURNED = 32 * MIB  # glibc's largest threshold for blocks that it returns to the system

# Values that a layer keeps per token for its backward pass, in multiples of the hidden size and of the feed-forward
# network's width, with a gate (Llama, Qwen2) and without (OPT). Eager attention also keeps its scores once.
KEPT, KEPT_PLAIN = (10, 4), (8, 2)
SCORES_FORWARD, SCORES_BACKWARD = 3, 4  # copies of the scores in the layer that is computed
# TRL's fused LM head projects this many tokens on this many embeddings at a time. Without Triton it holds so many
# copies of the result, the forward pass in another thread's memory than the backward pass.
HEAD_TOKENS, HEAD_COLUMNS = 4096, 32768
HEAD_FORWARD, HEAD_BACKWARD = 4, 8.25
# The same of `gavel.training.log_probs`, which a single process uses on a CPU, with its logits in memory at a time.
TILE, TILE_ROWS = 2**20, 256
TILE_FORWARD, TILE_BACKWARD = 3, 3
PICK_COPIES = 4  # of the next token's logits, to sample it
# Validation responses whose entropy and divergence are measured, how many in one forward pass, and copies of the
# log-probabilities of their tokens.
ENTROPY_SAMPLES, ENTROPY_ROWS, ENTROPY_COPIES = 100, 32, 4


class Part(NamedTuple):
    """A part of a phase's memory: its bytes, and those of its largest block."""

    size: float
    block: float = math.inf


@dataclass(frozen=True)
class Job:
    """The memory of one job, for each of its processes, in bytes.

    Attributes:
        states: part -> bytes that are held in all phases.
        phases: phase -> part -> what only that phase holds.
        base: what the process takes before it loads a model.
        gpu: whether the models are on a GPU.
    """

    states: dict[str, float]
    phases: dict[str, dict[str, Part]]
    base: float
    gpu: bool

    @property
    def largest(self) -> str:
        """The phase with the peak."""
        return max(self.phases, key=lambda name: sum(self._freed(name).values()))

    @property
    def parts(self) -> dict[str, float]:
        """The parts at the peak, without empty ones."""
        found = self.states | {}
        for name, size in self._freed(self.largest).items():
            found[name] = found.get(name, 0.0) + size
        for phase in () if self.gpu else self.phases.values():
            for name, part in phase.items():
                if part.block < RETURNED:
                    found[name] = found.get(name, 0.0) + part.size
        return {name: size for name, size in found.items() if size}

    @property
    def beyond_base(self) -> float:
        return sum(self.parts.values())

    @property
    def peak(self) -> float:
        return self.base + self.beyond_base

    def _freed(self, phase: str) -> dict[str, float]:
        """The parts of a phase whose memory is free for the next one."""
        parts = self.phases[phase].items()
        return {name: part.size for name, part in parts if self.gpu or part.block >= RETURNED}


@dataclass(frozen=True)
class Machine:
    """Bytes of a weight and of a computed value, where models run, whether activations are recomputed, and whether one
    process trains alone."""

    weight: int
    value: int
    gpu: bool
    checkpointing: bool = False
    alone: bool = True


def jobs(config: dict[str, Any], lengths: Lengths, known: Mapping[str, Size] | None = None) -> dict[str, Job]:
    """The jobs that train or sample the student: a rule's name, for RL with the algorithm, -> its memory.

    Args:
        config: resolved.
        known: sizes of models that are not here, as in `gavel.study.cost.sizes.sizes`.

    Raises:
        InputError: a model's size is unknown.
    """
    student, judge = sizes(config, known)
    others = {"panel": panel_sizes(config), "watching judges": watcher_sizes(config)}
    gpu = config["compute"]["gpus"] > 0
    if config["sft"]:
        found = {"train_sft": _sft(config, student, lengths, gpu)}
    else:
        found = {"validate_base": _validate_base(config, student, lengths, gpu)}
    for algorithm in layout.algorithms(config):
        critic = ALGORITHMS[algorithm].critic
        found[f"train_rl, {algorithm}"] = _rl(config, student, judge, others, lengths, gpu, critic)
    if not config["evaluation"]["vllm"]:  # vLLM takes the fraction of memory that the config gives it
        found["generate"] = _generate(config, student, lengths, gpu)
    if judge and config["evaluation"]["judge"]:
        states = {"judge": judge.parameters * BYTES[config["judge"]["dtype"]]}
        found["score"] = _job(states, {"judging": _judging(config, judge, lengths, math.inf, gpu)}, gpu)
    if (members := others["panel"]) and config["evaluation"]["judge"]:
        phases = _asking(config, "panel", members, lengths, math.inf, gpu)
        found["score"] = _job({"panel": _weights(members)}, phases, gpu)
    return found


def _job(states: dict[str, float], phases: dict[str, dict[str, Part]], gpu: bool) -> Job:
    return Job(states if gpu else states | {"libraries": FIRST_USE}, phases, CUDA if gpu else IMPORTS, gpu)


def _machine(config: dict[str, Any], section: str | None, gpu: bool) -> Machine:
    width = BYTES[config["student"]["dtype"]]
    settings = config[section] if section else {"bf16": False, "gradient_checkpointing": False}
    alone = config["compute"]["processes"] == 1
    return Machine(width, 2 if settings["bf16"] else width, gpu, settings["gradient_checkpointing"], alone)


def _sft(config: dict[str, Any], size: Size, lengths: Lengths, gpu: bool) -> Job:
    section, machine = config["sft"], _machine(config, "sft", gpu)
    each = max(1, section["batch_size"] // config["compute"]["processes"])
    rows = min(section["micro_batch_size"] or each, each)
    width = lengths.longest_prompt + lengths.longest_response + 1
    filled = rows
    if machine.alone:  # packed; a prompt has on average half of the longest one's tokens
        filled = math.ceil(rows * (lengths.longest_prompt / 2 + lengths.response + 1) / width)
    phases = {
        "optimiser step": _step(size, machine, filled, width, bool(section["lora"])),
        "sampling": _validating(config, size, machine, lengths),
        "saving": _saving(size, machine),
    }
    return _job(_training_states(config, "sft", size), phases, gpu)


def _validate_base(config: dict[str, Any], size: Size, lengths: Lengths, gpu: bool) -> Job:
    machine = _machine(config, None, gpu)
    phases = {"sampling": _validating(config, size, machine, lengths)}
    return _job({"weights": size.parameters * machine.weight}, phases, gpu)


def _validating(config: dict[str, Any], size: Size, machine: Machine, lengths: Lengths) -> dict[str, Part]:
    """Greedy responses to the validation questions."""
    evaluation = config["evaluation"]
    rows = min(MAX_BATCH_SIZE, evaluation["batch_size"], _validation(config))
    return _sampling(size, machine, rows, 1, lengths, evaluation["batch_tokens"])


def _rl(
    config: dict[str, Any],
    size: Size,
    judge: Size | None,
    others: Mapping[str, Sequence[OtherJudge]],
    lengths: Lengths,
    gpu: bool,
    critic: bool,
) -> Job:
    section, evaluation, machine = config["rl"], config["evaluation"], _machine(config, "rl", gpu)
    group, own = section["num_generations"], critic and section["ppo"]["trunk"] == "own"
    weights = size.parameters * machine.weight
    references = section["validation"]["reference"] + (section["kl_coefficient"] > 0 and not section["lora"])
    states = _training_states(config, "rl", size) | {
        "critic": 4 * weights * own,  # with gradients and AdamW's states
        "SFT policy" if config["sft"] else "base model": references * weights,
        "judge": judge.parameters * BYTES[config["judge"]["dtype"]] if judge else 0.0,
    }
    states |= {name: _weights(judges) for name, judges in others.items()}
    completions = max(1, section["prompts_per_step"] // config["compute"]["processes"]) * group
    minibatch = max(1, completions // (section["ppo"]["minibatches"] if critic else 1))
    micro = min(section["micro_batch_size"] or minibatch, minibatch)
    width = lengths.longest_prompt + min(micro, group) * lengths.response
    step = _step(size, machine, math.ceil(micro / group), width, bool(section["lora"]))
    if own:  # the value's graph is kept beside the policy's until the backward pass
        step["activations"] = step["activations"]._replace(size=2 * step["activations"].size)
    validated = min(section["validation"]["questions"], _validation(config))
    batch = min(MAX_BATCH_SIZE, evaluation["batch_size"], validated)
    sampling = [_sampling(size, machine, batch, 1, lengths, evaluation["batch_tokens"])]
    if not section["vllm"]:
        sampling += [_sampling(size, machine, min(section["generation_batch_size"], completions), group, lengths, None)]
    phases = {
        "optimiser step": step,
        "sampling": max(sampling, key=lambda parts: sum(part.size for part in parts.values())),
        "divergence": _divergence(size, machine, min(validated, ENTROPY_SAMPLES), lengths),
        "saving": _saving(size, machine),
    }
    if judge:
        asked = max(completions, validated) * lengths.judged
        phases["judging"] = _judging(config, judge, lengths, asked, gpu)
    # One after the other; only the panel gives rewards.
    phases |= _asking(config, "panel", others["panel"], lengths, max(completions, validated), gpu)
    phases |= _asking(config, "watching judges", others["watching judges"], lengths, validated, gpu)
    return _job(states, phases, gpu)


def _weights(judges: Sequence[OtherJudge]) -> float:
    return sum(judge.size.parameters * BYTES[judge.dtype] for judge in judges)


def _asking(
    config: dict[str, Any], name: str, judges: Sequence[OtherJudge], lengths: Lengths, responses: float, gpu: bool
) -> dict[str, dict[str, Part]]:
    """A phase for each of several judges, which are asked about so many responses."""
    found = {}
    for place, judge in enumerate(judges):
        own = config | {"judge": config["judge"] | {"dtype": judge.dtype}}
        found[f"{name} {place}"] = _judging(own, judge.size, lengths, responses * lengths.judged, gpu)
    return found


def _training_states(config: dict[str, Any], section: str, size: Size) -> dict[str, float]:
    compute, weights = config["compute"], size.parameters * BYTES[config["student"]["dtype"]]
    shards = compute["processes"] if compute["distributed"] != "ddp" else 1
    weight_shards = shards if compute["distributed"] == "fsdp" else 1
    trained = 0.0 if config[section]["lora"] else weights  # adapters are small
    return {
        "weights": weights / weight_shards,
        "weights, gathered": weights - weights / weight_shards,  # during sampling
        "gradients": trained / shards,
        "optimiser": 2 * trained / shards,
    }


def _saving(size: Size, machine: Machine) -> dict[str, Part]:
    """The best model, which is loaded at the end to be written."""
    return {"best model": Part(size.parameters * machine.weight)}


def _step(size: Size, machine: Machine, rows: float, width: float, lora: bool) -> dict[str, Part]:
    """The forward and backward pass of `rows` sequences of `width` tokens, without the states."""
    tokens, (hidden, inner) = rows * width, KEPT if size.gated else KEPT_PLAIN
    scores = 0.0 if machine.gpu else rows * size.heads * width**2 * machine.value
    layer = tokens * (hidden * size.width + inner * size.inner) * machine.value + scores
    layers = size.layers * layer
    if machine.checkpointing:
        layers = size.layers * tokens * size.width * machine.value + layer
    block = max(tokens * size.inner * machine.value, scores)
    if machine.alone and not machine.gpu:
        forward, backward = TILE_FORWARD, float(TILE_BACKWARD)
        logits = min(tokens, max(TILE_ROWS, TILE // size.vocabulary)) * size.vocabulary * 4
    else:
        forward, backward = HEAD_FORWARD, HEAD_BACKWARD
        logits = min(tokens, HEAD_TOKENS) * min(size.vocabulary, HEAD_COLUMNS) * machine.value
    copies = 1 if machine.gpu else backward + (forward if logits < RETURNED else 0)
    head = copies * logits + (0 if lora else size.vocabulary * size.width * 4)  # the gradient of the head's weights
    # A layer's backward pass comes after the head's.
    return {
        "activations": Part(layers + max(0.0, SCORES_BACKWARD * scores - head), block),
        "logits": Part(head, logits),
    }


def _sampling(
    size: Size, machine: Machine, rows: float, group: int, lengths: Lengths, limit: int | None
) -> dict[str, Part]:
    """Sampling `rows` responses at a time, `group` of them to each prompt, within a limit on tokens."""
    if limit:
        rows = max(group, min(rows, limit // (lengths.longest_prompt + lengths.max_new_tokens)))
    prompts = rows / group
    token = 2 * size.kv_width * machine.weight
    cache = token * (prompts * lengths.longest_prompt + rows * lengths.longest_response)
    parts = _forward(size, machine, prompts, lengths.longest_prompt, rows)
    return {"keys and values": Part(size.layers * cache, cache / 2)} | parts


def _forward(size: Size, machine: Machine, rows: float, width: float, picked: float) -> dict[str, Part]:
    """One layer of a forward pass without gradients, and the logits of `picked` next tokens."""
    scores = 0.0 if machine.gpu else rows * size.heads * width**2 * machine.weight
    inner = rows * width * size.inner * machine.weight
    around = rows * width * 2 * size.width * machine.weight
    logits = picked * size.vocabulary * 4
    return {
        "activations": Part(around + max(SCORES_FORWARD * scores, 3 * inner), max(scores, inner)),
        "logits": Part(PICK_COPIES * logits, logits),
    }


def _divergence(size: Size, machine: Machine, count: float, lengths: Lengths) -> dict[str, Part]:
    """Log-probabilities over the vocabulary, of the policy and of the SFT policy."""
    rows = min(ENTROPY_ROWS, count)
    width, written = lengths.longest_prompt + lengths.longest_response, rows * lengths.response
    logits = rows * width * size.vocabulary * 4
    chosen = ENTROPY_COPIES * written * size.vocabulary * 4
    return _forward(size, machine, rows, width, 0) | {"logits": Part(logits + chosen, logits)}


def _judging(config: dict[str, Any], judge: Size, lengths: Lengths, asked: float, gpu: bool) -> dict[str, Part]:
    """One batch of judging prompts, without the judge's weights."""
    section = config["judge"]
    width = BYTES[section["dtype"]]
    tokens = min(section["batch_tokens"], asked)
    cache, rows = tokens * 2 * judge.kv_width * width, tokens / lengths.judged
    parts = _forward(judge, Machine(width, width, gpu), rows, lengths.judged, rows)
    named = {f"judge's {name}": part for name, part in parts.items()}
    return {"judge's keys and values": Part(judge.layers * cache, cache / 2)} | named


def _generate(config: dict[str, Any], size: Size, lengths: Lengths, gpu: bool) -> Job:
    evaluation, machine = config["evaluation"], _machine(config, None, gpu)
    batch, group, limit = evaluation["batch_size"], evaluation["samples"], evaluation["batch_tokens"]
    phases = {"sampling": _sampling(size, machine, batch, group, lengths, limit)}
    return _job({"weights": size.parameters * machine.weight}, phases, gpu)


def _validation(config: dict[str, Any]) -> float:
    """Validation questions, at most; a fraction of an unknown number of questions sets no limit."""
    count = config["data"]["validation"]
    return count if count >= 1 else math.inf
