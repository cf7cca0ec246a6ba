"""A tiny single-token judge made from nothing, as `gavel.scratch` makes the student whose samples it learns from."""

import random
from collections.abc import Callable, Sequence

import torch
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from gavel import models, prompts
from gavel.answers import verify
from gavel.convert import to_program
from gavel.corruption import corrupt
from gavel.files import read_jsonl
from gavel.judge.local import label_tokens
from gavel.problems import WIDE
from gavel.sampling import sample
from gavel.scratch import LABELS, build_model, fit, next_token_loss, pretraining_texts, save, teller


def train_judge(
    problems: Sequence[dict],
    student: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    *,
    width: int = 128,
    layers: int = 4,
    heads: int = 4,
    steps: int = 1200,
    batch_size: int = 64,
    reading_steps: int = 450,
    samples: int = 4,
    questions: int = 4000,
    labels: tuple[str, str] = LABELS,
    seed: int = 0,
    report: Callable[[int, float], None] = lambda step, loss: None,
    say: Callable[[str], object] = lambda text: None,
) -> LlamaForCausalLM:
    """Train a single-token judge from scratch on the pretrain split.

    It first reads right solutions (language modelling). Then it learns to answer the judging prompt with one word, on
    corrupted programs and on the untuned student's samples, whose verdicts come from the verifier.

    Args:
        problems: records with solutions.
        student, tokenizer: whose samples it learns from; the judge shares the tokenizer.
        steps, reading_steps: optimiser steps of judging and of reading before it.
        samples, questions: the student's solutions for each of so many problems, at temperature 1.
        labels: the two words, each one token after the judging prompt.
    """
    model = build_model(tokenizer, width=width, layers=layers, heads=heads, seed=seed + 1)
    texts = pretraining_texts(problems, wrong=0.0, bare=0.0, seed=seed)
    read = [[*tokenizer(text)["input_ids"], tokenizer.eos_token_id] for text in texts]
    common = {"batch_size": batch_size, "report": report}
    fit(model, read, tokenizer, loss=next_token_loss, steps=reading_steps, seed=seed, **common)
    pairs = judging_pairs(problems, student, tokenizer, samples=samples, questions=questions, seed=seed)
    say(f"{len(pairs)} judging pairs, {sum(right for *_, right in pairs) / len(pairs):.3f} of them right")
    template = prompts.load("judge", ("question", "solution"))
    example = prompts.fill(template, question="1+1?", solution="2")
    verdicts = label_tokens(tokenizer, example, labels)
    asked = [
        [*tokenizer(prompts.fill(template, question=q, solution=s))["input_ids"], verdicts[0 if right else 1]]
        for q, s, right in pairs
    ]
    fit(model, asked, tokenizer, loss=last_token_loss, steps=steps, seed=seed + 1, rate=0.5, **common)
    return model.eval()


def last_token_loss(model: LlamaForCausalLM, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of the label word, which stands last."""
    logits = model(tokens, attention_mask=mask, logits_to_keep=2).logits[:, 0]
    return cross_entropy(logits, tokens[:, -1])


def judging_pairs(
    problems: Sequence[dict], student, tokenizer, *, samples: int, questions: int, seed: int
) -> list[tuple[str, str, bool]]:
    """(question, solution, right) triples: right programs, corrupted ones, and the untuned student's samples."""
    rng = random.Random(f"judging-{seed}")
    usable = [(row, to_program(row["solution"], row["answer"], row["question"])) for row in problems]
    usable = [(row, program) for row, program in usable if program is not None]
    pairs: list[tuple[str, str, str]] = []
    for row, program in usable:
        pairs.append((row["question"], program, row["answer"]))
        pairs.append((row["question"], corrupt(program, rng), row["answer"]))
    chosen = rng.sample(usable, min(questions, len(usable)))
    template = prompts.load("solve")
    asked = [prompts.fill(template, question=row["question"]) for row, _ in chosen]
    drawn = sample(student, tokenizer, asked, n=samples, temperature=1.0, max_new_tokens=64, seed=seed)
    for (row, _), group in zip(chosen, drawn, strict=True):
        pairs += [(row["question"], text, row["answer"]) for text in sorted({s.text for s in group})]
    rng.shuffle(pairs)
    _, right = verify([p[1] for p in pairs], [p[2] for p in pairs], "program")
    return [(question, solution, good) for (question, solution, _), good in zip(pairs, right, strict=True)]


def make_judge(
    pretrain: str, student: str, output: str, recipe: dict, labels: tuple[str, str], say: Callable[[str], object]
) -> None:
    """Train a judge on a pretrain file and an untuned student's samples, and save it; `recipe` as in `train_judge`.

    It leaves out the stories in wider words that the student reads (`gavel.templates`): in the same number of steps it
    becomes a far better judge of the problems that it will be asked about.
    """
    tokenizer, untuned = models.load_tokenizer(student), models.load_model(student)
    rows = [row for row in read_jsonl(pretrain) if row["kind"] != WIDE]
    model = train_judge(rows, untuned, tokenizer, **recipe, labels=labels, report=teller(say), say=say)
    save(model, tokenizer, output, pretrain, recipe)
