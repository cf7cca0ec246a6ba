"""A tiny student trained from scratch, for a study without a hub (`gavel.training.scratch.judge` trains the judge).

They replace the checkpoints that a GPU user takes from the hub: a student that has read many easy questions, some with
incorrect solutions, and a judge that has seen correct and incorrect solutions of such questions. They read only the
`pretrain` split, whose digest is saved with the weights (`gavel.json`). The optimiser is Muon for matrices (Jordan et
al. 2024, as in `torch.optim.Muon`) and AdamW for the rest. All sizes and steps are our choice.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple, cast

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn.functional import cross_entropy
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from gavel.common.digests import file_digest
from gavel.common.files import read_jsonl, write_json
from gavel.common.log import info
from gavel.data.pretrain_check import ORIGIN
from gavel.data.records import Record
from gavel.models import loading, prompts
from gavel.solutions.mistakes import corrupt
from gavel.solutions.programs import to_program

# Program boilerplate as single tokens, so that a tiny model spends its few positions on the arithmetic.
BOILERPLATE = ["def solution():\n", "    result = ", "\n    return result", *(f"    {v} = " for v in "abcde")]
LABELS = (" Yes", " No")  # the judge's label words
LOG_EVERY = 50  # steps between two log lines
SPLIT = r"\d| ?\p{L}+|\s|[^\s\p{L}\d]"  # single digits; a word keeps the space before it


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a tiny model is made: what the config's `student.scratch` and `judge.scratch` have in common.

    Attributes:
        width: hidden size.
        layers, heads: their numbers.
        steps: optimiser steps; a judge's are on judging prompts.
        batch_size: documents per step.
        seed: of the weights, the documents and their order.
    """

    width: int
    layers: int
    heads: int
    steps: int
    batch_size: int
    seed: int


@dataclass(frozen=True, slots=True)
class StudentRecipe(Recipe):
    """The config's `student.scratch`.

    Attributes:
        corrupted_fraction: fraction of documents with a corrupted program; it sets how much SFT and RL can still
            improve.
        no_question_fraction: fraction of documents with a program alone.
    """

    corrupted_fraction: float
    no_question_fraction: float


def build_tokenizer(texts: Sequence[str], vocabulary: int = 1024) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer that reads any text, writes it back unchanged, and splits digits."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<pad>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    fast.add_tokens([AddedToken(text, normalized=False) for text in BOILERPLATE])
    return fast


def judge_words() -> list[str]:
    """Texts that add the judging prompt's words and its label words to the vocabulary, which the judge shares."""
    asking = prompts.load("judge", ("question", "solution")).rpartition("{solution}")[2]
    return [asking + label for label in LABELS] * 100


def build_model(
    tokenizer: PreTrainedTokenizerFast, *, width: int, layers: int, heads: int, seed: int
) -> LlamaForCausalLM:
    """A Llama-shaped model with random weights and tied embeddings; `width` is the hidden size."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    config._attn_implementation = "eager"
    return LlamaForCausalLM(config)


def program_of(row: Record) -> str | None:
    """The reference solution as a program; None if there is none, or it does not convert."""
    if row["solution"] is None or row["gold"] is None:
        return None
    return to_program(row["solution"], row["gold"], row["question"])


def pretraining_texts(
    problems: Sequence[Record], *, corrupted_fraction: float, no_question_fraction: float, seed: int
) -> list[str]:
    """Documents for the student: question and program, some programs corrupted, some documents without a question."""
    rng = random.Random(f"pretraining-{seed}")
    template = prompts.load("solve")
    texts = []
    for row in problems:
        program = program_of(row)
        if program is None:
            continue
        if rng.random() < corrupted_fraction:
            program = corrupt(program, rng)
        alone = rng.random() < no_question_fraction
        texts.append(program if alone else prompts.fill(template, question=row["question"]) + program)
    return texts


def train_student(
    problems: Sequence[Record], recipe: StudentRecipe
) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """Pretrain a student from scratch on the pretrain split; `problems` are records with solutions."""
    seed = recipe.seed
    texts = pretraining_texts(
        problems,
        corrupted_fraction=recipe.corrupted_fraction,
        no_question_fraction=recipe.no_question_fraction,
        seed=seed,
    )
    tokenizer = build_tokenizer([*texts, *judge_words()])
    model = build_model(tokenizer, width=recipe.width, layers=recipe.layers, heads=recipe.heads, seed=seed)
    ids = [[*tokenizer(text)["input_ids"], tokenizer.eos_token_id] for text in texts]
    fit(model, ids, tokenizer, loss=next_token_loss, steps=recipe.steps, batch_size=recipe.batch_size, seed=seed)
    return model.eval(), tokenizer


def make_student(pretrain: str, output: str, recipe: StudentRecipe) -> None:
    """Train a student on a pretrain file and save it with its origin."""
    model, tokenizer = train_student([cast(Record, row) for row in read_jsonl(pretrain)], recipe)
    save(model, tokenizer, output, pretrain, recipe)


def save(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, output: str, pretrain: str, recipe: Recipe
) -> None:
    loading.save(model, tokenizer, output)
    origin = {"made_by": "gavel.scratch", "pretrain_sha256": file_digest(pretrain), "recipe": asdict(recipe)}
    write_json(f"{output}/{ORIGIN}", origin)


def fit(
    model: LlamaForCausalLM,
    sequences: Sequence[list[int]],
    tokenizer: PreTrainedTokenizerFast,
    *,
    loss: Callable[..., torch.Tensor],
    steps: int,
    batch_size: int,
    seed: int,
    rate: float = 1.0,
    weights: Sequence[Sequence[float]] | None = None,
) -> None:
    """Train on token sequences; `loss` gets the model, left-padded tokens `(B, T)`, their mask, and the tokens' padded
    `weights` if there are any."""
    model.train()
    batches, optimizers = _batches(len(sequences), batch_size, seed), _optimizers(model, steps, rate)
    for step in range(1, steps + 1):
        rows = next(batches)
        tokens, mask = _pad([sequences[i] for i in rows], tokenizer.pad_token_id)
        more = [] if weights is None else [_pad([weights[i] for i in rows], 0.0)[0]]
        value = loss(model, tokens, mask, *more)
        _update(value, model, optimizers)
        if step % LOG_EVERY == 0:
            info(f"step {step}: loss {value.item():.3f}")


def next_token_loss(model: LlamaForCausalLM, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Language modelling on all tokens but padding."""
    logits = model(tokens, attention_mask=mask).logits
    targets = tokens[:, 1:].masked_fill(mask[:, :-1] == 0, -100)
    return cross_entropy(logits[:, :-1].flatten(0, 1), targets.flatten(), ignore_index=-100)


def _batches(count: int, batch_size: int, seed: int) -> Iterator[list[int]]:
    rng = random.Random(f"batches-{seed}")
    while True:
        order = list(range(count))
        rng.shuffle(order)
        yield from (order[i : i + batch_size] for i in range(0, count - batch_size + 1, batch_size))


def _pad(rows: Sequence[Sequence[float]], pad: float) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, rows))
    tokens = torch.tensor([[pad] * (width - len(row)) + list(row) for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    return tokens, mask


class ScheduledOptimizer(NamedTuple):
    """An optimiser with its learning-rate schedule."""

    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler


def _optimizers(model: LlamaForCausalLM, steps: int, scale: float = 1.0) -> list[ScheduledOptimizer]:
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(matrices, lr=4e-3 * scale),
        torch.optim.AdamW(others, lr=2e-3 * scale, betas=(0.9, 0.95)),
    ]
    warmup = max(1, steps // 20)

    def rate(step: int) -> float:  # linear warm-up, then cosine to a tenth
        if step < warmup:
            return (step + 1) / warmup
        return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

    return [ScheduledOptimizer(o, torch.optim.lr_scheduler.LambdaLR(o, rate)) for o in optimizers]


def _update(loss: torch.Tensor, model: LlamaForCausalLM, optimizers: Sequence[ScheduledOptimizer]) -> None:
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer, schedule in optimizers:
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
