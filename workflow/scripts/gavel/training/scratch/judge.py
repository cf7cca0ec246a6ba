"""A tiny judge trained from scratch; it learns from the student's samples (`gavel.training.scratch.student`)."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from gavel.common.files import read_jsonl
from gavel.common.log import info
from gavel.data.generator.problems import WIDE
from gavel.data.records import Record
from gavel.judge.prompting import label_tokens
from gavel.models.loading import Student
from gavel.models.policy import Policy
from gavel.models.task import Task
from gavel.solutions.mistakes import corrupt
from gavel.solutions.verifier import verify
from gavel.training.scratch.judge_tasks import Example, LabeledSolution, examples, labels_of
from gavel.training.scratch.student import (
    Recipe,
    build_model,
    fit,
    next_token_loss,
    pretraining_texts,
    program_of,
    save,
)

TASK = Task("solve", "program", 64)  # of the student's samples
REPLY_WEIGHT = 0.5  # weight of learning to write, where learning to answer has 1


@dataclass(frozen=True, slots=True)
class JudgeRecipe(Recipe):
    """The config's `judge.scratch`.

    Attributes:
        lm_steps: optimiser steps of language modelling, before those of judging.
        samples: of the untuned student for a question, at temperature 1.
        questions: number of questions that it is sampled on.
        tasks: keys of `gavel.judge.kinds.TASKS`, all learned together.
    """

    lm_steps: int
    samples: int
    questions: int
    tasks: tuple[str, ...]


def train_judge(
    problems: Sequence[Record], student: Policy, recipe: JudgeRecipe, labels: tuple[str, str] | None
) -> LlamaForCausalLM:
    """Train a judge from scratch on the pretrain split.

    The judge first reads correct solutions (language modelling). Then it learns to answer judging prompts with one
    label word, in some tasks after a solution of its own. The prompts show reference programs, corrupted ones and the
    untuned student's samples, with verdicts from the verifier.

    Args:
        problems: records with solutions.
        student: the judge learns from its samples and shares its tokenizer.
        labels: the two label words, each one token after the judging prompt; several tasks have their own each.
    """
    tokenizer, seed, tasks, batch_size = student.tokenizer, recipe.seed, recipe.tasks, recipe.batch_size
    model = build_model(tokenizer, width=recipe.width, layers=recipe.layers, heads=recipe.heads, seed=seed + 1)
    texts = pretraining_texts(problems, corrupted_fraction=0.0, no_question_fraction=0.0, seed=seed)
    read = [[*tokenizer(text)["input_ids"], tokenizer.eos_token_id] for text in texts]
    fit(model, read, tokenizer, loss=next_token_loss, steps=recipe.lm_steps, batch_size=batch_size, seed=seed)
    pairs = judging_pairs(problems, student, samples=recipe.samples, questions=recipe.questions, seed=seed)
    info(f"{len(pairs)} judging pairs, {sum(right for *_, right in pairs) / len(pairs):.3f} of them correct")
    references = {row["question"]: program for row, program in _with_programs(problems)}
    asked: list[tuple[list[int], list[float]]] = []
    for task, words in labels_of(tasks, labels).items():
        asked += token_weights(examples(task, pairs, references, words, seed), words, tokenizer)
    if len(tasks) > 1:
        random.Random(f"tasks-{seed}").shuffle(asked)
    sequences, weights = zip(*asked, strict=True)
    fit(
        model,
        sequences,
        tokenizer,
        loss=weighted_loss,
        weights=weights,
        steps=recipe.steps,
        batch_size=batch_size,
        seed=seed + 1,
        rate=0.5,
    )
    return model.eval()


def token_weights(
    found: Sequence[Example], labels: Sequence[str], tokenizer: PreTrainedTokenizerFast
) -> list[tuple[list[int], list[float]]]:
    """Each example's tokens and their weights in the loss: 1 for the label word, `REPLY_WEIGHT` in total for a reply.

    The end token follows a reply, or a judge that reasons first would not learn where to stop.
    """
    words = label_tokens(tokenizer, found[0].prompt + found[0].reply, labels)
    prompts_ids = tokenizer([one.prompt for one in found])["input_ids"]
    whole_ids = tokenizer([one.prompt + one.reply for one in found])["input_ids"]
    rows = []
    for one, prompt, whole in zip(found, prompts_ids, whole_ids, strict=True):
        written = len(whole) - len(prompt)
        tokens = [*whole, words[labels.index(one.label)]]
        counts = [0.0] * len(prompt) + [REPLY_WEIGHT / max(1, written)] * written + [1.0]
        if written:
            tokens, counts = [*tokens, tokenizer.eos_token_id], [*counts, REPLY_WEIGHT / written]
        rows.append((tokens, counts))
    return rows


def weighted_loss(
    model: LlamaForCausalLM, tokens: torch.Tensor, mask: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """The weighted sum of the tokens' cross-entropies, divided by the number of examples."""
    kept = weights > 0
    first = int(kept.any(0).nonzero()[0])  # no logits are needed before that column
    logits = model(tokens, attention_mask=mask, logits_to_keep=tokens.shape[1] - first + 1).logits[:, :-1]
    kept = kept[:, first:]
    each = cross_entropy(logits[kept], tokens[:, first:][kept], reduction="none")
    return (each * weights[:, first:][kept]).sum() / len(tokens)


def _with_programs(problems: Sequence[Record]) -> list[tuple[Record, str]]:
    """The records whose reference solution is a program, each with that program."""
    return [(row, program) for row in problems if (program := program_of(row)) is not None]


def judging_pairs(
    problems: Sequence[Record], student: Policy, *, samples: int, questions: int, seed: int
) -> list[LabeledSolution]:
    """Reference programs, corrupted ones, and the untuned student's samples, with the verifier's verdicts."""
    rng = random.Random(f"judging-{seed}")
    usable = _with_programs(problems)
    pairs: list[tuple[str, str, str]] = []
    for row, program in usable:
        pairs.append((row["question"], program, cast(str, row["gold"])))
        pairs.append((row["question"], corrupt(program, rng), cast(str, row["gold"])))
    chosen = rng.sample(usable, min(questions, len(usable)))
    groups = student.solve([row["question"] for row, _ in chosen], TASK, n=samples, temperature=1.0, seed=seed)
    for (row, _), group in zip(chosen, groups, strict=True):
        pairs += [(row["question"], text, cast(str, row["gold"])) for text in sorted({s.text for s in group})]
    rng.shuffle(pairs)
    _, right = verify([p[1] for p in pairs], [p[2] for p in pairs], TASK.format)
    return [
        LabeledSolution(question, solution, good)
        for (question, solution, _), good in zip(pairs, right, strict=True)
        if good is not None  # a program that did not run
    ]


def make_judge(pretrain: str, student: str, output: str, recipe: JudgeRecipe, labels: tuple[str, str] | None) -> None:
    """Train a judge on a pretrain file and an untuned student's samples, and save it.

    The student's stories in wider words (`gavel.data.generator.templates`) are left out: with the same number of steps
    the judge becomes far better on the questions that it will be asked about.
    """
    untuned = Policy.load(student, Student(), TASK)
    rows = [cast(Record, row) for row in read_jsonl(pretrain) if row["kind"] != WIDE]
    model = train_judge(rows, untuned, recipe, labels)
    save(model, untuned.tokenizer, output, pretrain, recipe)
