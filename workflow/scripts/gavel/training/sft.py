"""The supervised baseline: fine-tuning on the labelled questions that have a solution, with TRL's SFTTrainer.

The loss is on completions only. Every RL run starts from this baseline, so it is selected like every other model: by
validation accuracy.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

from datasets import Dataset
from transformers import PreTrainedTokenizerBase
from trl import SFTConfig
from trl.data_utils import common_prefix_length

from gavel.common.files import read_jsonl
from gavel.common.journal import Mirror
from gavel.common.log import info
from gavel.data.check_sizes import check_solutions
from gavel.data.records import LabeledRecord, Record
from gavel.jobs.launch import RunFolders
from gavel.models.context import check_questions, solution_lengths
from gavel.models.limits import Limits
from gavel.models.loading import Student
from gavel.models.policy import Policy
from gavel.models.task import Task, show
from gavel.training import distributed, lora, trl_config
from gavel.training.callback import RunCallback, finish_run
from gavel.training.monitor import Monitor
from gavel.training.records import RunSummary
from gavel.training.settings import LoraSettings
from gavel.training.sft_trainer import PackedSFTTrainer
from gavel.training.state import RunState


@dataclass(frozen=True, slots=True)
class SFTSettings:
    """The config's `sft`, without the seed.

    Attributes:
        epochs: passes over the labelled questions.
        validate_every: epochs from one validation, and checkpoint, to the next.
        learning_rate: its peak, after warm-up.
        batch_size: examples per optimiser step.
        micro_batch_size: examples per forward and backward pass; None takes all of a step.
        warmup: in optimiser steps.
        weight_decay: AdamW's.
        max_grad_norm: gradient clipping.
        lora: None trains all weights.
    """

    epochs: int
    validate_every: int
    learning_rate: float
    batch_size: int
    micro_batch_size: int | None
    warmup: int
    weight_decay: float
    max_grad_norm: float
    bf16: bool
    gradient_checkpointing: bool
    lora: LoraSettings | None


def solutions(rows: Sequence[LabeledRecord], solution_format: str) -> list[str]:
    """The training target of each labelled row: its program, or its solution; empty for a row that has none."""
    key = {"program": "program", "text": "solution"}[solution_format]
    return [cast(str, row.get(key)) or "" for row in rows]


def train(
    *,
    student: Student,
    task: Task,
    labeled: str,
    validation: str,
    run: RunFolders,
    settings: SFTSettings,
    seed: int,
    name: str = "sft",
    control: str | None = None,
    limits: Limits | None = None,
    mirror: Mirror | None = None,
) -> RunSummary:
    """Fine-tune the student and keep its best and last checkpoint.

    Called with the same arguments in every process that trains; the main one writes.

    Args:
        student: its `model` is fine-tuned.
        labeled, validation: JSONL files of records; labelled ones without a solution are left out.
        seed: of the order of examples.
        name: of the run.
        control: of a control, whose examples are not the labelled questions' solutions; its name.
        limits: of generation batches in validation, `gavel.models.limits.limits`.

    Returns:
        What `run.json` holds.

    Raises:
        InputError: fewer rows than a batch have a solution, or one does not fit the model's context.
    """
    rows = [cast(LabeledRecord, row) for row in read_jsonl(labeled)]
    validated = [cast(Record, row) for row in read_jsonl(validation)]
    texts = solutions(rows, task.format)
    if control is not None:  # as many examples as there are; of the labelled questions, a full batch is required
        settings = replace(settings, batch_size=max(1, min(settings.batch_size, sum(map(bool, texts)))))
    solved = [(row, text) for row, text in zip(rows, texts, strict=True) if text]
    check_solutions(len(solved), len(rows), settings.batch_size)
    start = student.start
    fits = partial(check_questions, model=start, student=student, task=task)
    fits(rows, source=labeled, solutions=texts)
    fits(validated, source=validation)
    policy = Policy.load(start, student, task)
    distributed.check("sft", critic=False)
    distributed.on_main(lambda: _log_examples([text for _, text in solved], len(rows), policy, task))
    state = distributed.on_main(lambda: RunState(run.state, run.digest))
    per_epoch = len(solved) // settings.batch_size
    steps = per_epoch * settings.epochs
    monitor = Monitor(validated, task, seed=seed, limits=limits)
    every = per_epoch * settings.validate_every
    callback = RunCallback(
        state, policy.tokenizer, monitor, steps=steps, validate_every=every, save_every=every, mirror=mirror
    )
    made = examples(solved, task, policy.tokenizer)
    shown = show("SFT example", policy.tokenizer, *made[0].parts)
    dataset = Dataset.from_list([example.row for example in made])
    trainer = _trainer(policy, dataset, settings, steps, seed, state, callback)
    trl_config.resume(trainer, state)
    labels = len(solved) if control in (None, "all-answers") else 0
    about = {"run": name, "labels": labels, "unlabeled": len(solved) - labels} | (
        {"control": control} if control else {}
    )
    summary = _summary(settings, seed, steps) | about | {"example": shown, "seconds": callback.seconds()}
    return cast(RunSummary, finish_run(state, trainer.model, policy.tokenizer, Path(run.output), summary, mirror))


class Example(NamedTuple):
    """A tokenised prompt with its solution and the end token; the solution begins at token `start`."""

    ids: list[int]
    start: int

    @property
    def parts(self) -> tuple[list[int], list[int]]:
        """The tokens of the prompt, and those that are trained on."""
        return self.ids[: self.start], self.ids[self.start :]

    @property
    def row(self) -> dict[str, list[int]]:
        """The example as a row of TRL's data set."""
        return {
            "input_ids": self.ids,
            "completion_mask": [0] * self.start + [1] * (len(self.ids) - self.start),
        }


def examples(
    solved: Sequence[tuple[LabeledRecord, str]], task: Task, tokenizer: PreTrainedTokenizerBase
) -> list[Example]:
    """The training examples, as TRL would tokenise texts, but without a second BOS after a chat template's.

    Args:
        solved: rows with their training targets.
    """
    asked = task.prompts((row["question"] for row, _ in solved), tokenizer)
    end = cast(str, tokenizer.eos_token)
    read = task.encode(asked, tokenizer)
    full = task.encode([prompt + text + end for prompt, (_, text) in zip(asked, solved, strict=True)], tokenizer)
    return [Example(ids, common_prefix_length(prompt, ids)) for prompt, ids in zip(read, full, strict=True)]


def _log_examples(texts: Sequence[str], labeled: int, policy: Policy, task: Task) -> None:
    """Log how many questions SFT trains on, and warn if responses as long as their solutions would be cut."""
    info(f"training on {len(texts)} of {labeled} labelled questions, those with a solution")
    lengths = solution_lengths(policy.tokenizer, texts)
    if cut := sum(length > task.max_new_tokens for length in lengths):
        info(
            f"solution.max_new_tokens is {task.max_new_tokens}, but {cut} of {len(texts)} solutions have more tokens, "
            f"up to {max(lengths)}; sampled responses as long as these are cut",
            console=True,
        )


def _trainer(
    policy: Policy,
    examples: Dataset,
    settings: SFTSettings,
    steps: int,
    seed: int,
    state: RunState,
    callback: RunCallback,
) -> PackedSFTTrainer:
    tokenizer = policy.tokenizer
    config = trl_config.supervised(
        SFTConfig,
        settings,
        state.checkpoints,
        "sft",
        max_steps=steps,
        warmup_steps=settings.warmup,
        weight_decay=settings.weight_decay,
        completion_only_loss=True,
        dataloader_drop_last=True,
        eos_token=tokenizer.eos_token,
        pad_token=tokenizer.pad_token,
        seed=seed,
    )
    return PackedSFTTrainer(
        model=policy.model,
        args=config,
        train_dataset=examples,
        processing_class=tokenizer,
        callbacks=[callback],
        peft_config=lora.adapters(settings.lora, "sft.lora"),
    )


def _summary(settings: SFTSettings, seed: int, steps: int) -> dict[str, Any]:
    """What `run.json` holds, without the run's name, examples and duration."""
    return {
        "run": "",
        "algorithm": "sft",
        "lambda": None,
        "seed": seed,
        "steps": steps,
        "labels": 0,
        "unlabeled": 0,
        "completions": 0,
        "settings": asdict(settings),
        "algorithm_notes": None,
    }
