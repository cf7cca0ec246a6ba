"""Tiny students and judges made from nothing, so that a study runs where no hub can be reached.

They stand in for the checkpoints that a GPU user takes from the hub: a student that has read many easy problems with
partly wrong solutions, and a judge that has seen right and wrong solutions of such problems. Everything they read is
the `pretrain` split; its digest travels with the weights (`gavel.json`). The optimiser is Muon for matrices (Jordan et
al. 2024, as in `torch.optim.Muon`) and AdamW for the rest. All sizes and steps are our choice.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from gavel import models as checkpoints
from gavel import prompts
from gavel.answers import verify
from gavel.convert import to_program
from gavel.files import read_jsonl, write_json
from gavel.judge.single_token import label_token
from gavel.preflight import ORIGIN
from gavel.provenance import file_digest
from gavel.sampling import sample

# Program boilerplate as single tokens, so that a tiny model spends its few positions on the arithmetic.
BOILERPLATE = ["def solution():\n", "    result = ", "\n    return result", *(f"    {v} = " for v in "abcde")]
LABELS = (" Yes", " No")  # the judge's words
SPLIT = r"\d| ?\p{L}+|\s|[^\s\p{L}\d]"  # digits stand alone; a word keeps the space before it


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
    """Texts that make the words of the judging prompt and its labels words of the vocabulary: the judge shares it."""
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


def corrupt(program: str, rng: random.Random) -> str:
    """A wrong program made from a right one: an operator changed, operands swapped, or a number replaced."""
    lines = program.split("\n")
    spots = [i for i, line in enumerate(lines) if " = " in line]
    spot = rng.choice(spots)
    head, expression = lines[spot].split(" = ")
    operator = next((o for o in "*/+-" if o in expression[1:]), None)
    if operator is None:
        return program
    left, right = expression.split(operator, 1)
    numbers = [p for line in lines if " = " in line for p in _operands(line) if p.isdigit()]
    action = rng.random()
    if action < 0.5 or (action < 0.75 and operator in "+*"):
        operator = rng.choice([o for o in "*/+-" if o != operator])
    elif action < 0.75:
        left, right = right, left
    elif numbers:
        right = rng.choice(numbers)
    lines[spot] = f"{head} = {left}{operator}{right}"
    return "\n".join(lines)


def pretraining_texts(problems: Sequence[dict], *, wrong: float, bare: float, seed: int) -> list[str]:
    """Documents for the student: problem and program, some programs wrong, some documents without a question."""
    rng = random.Random(f"pretraining-{seed}")
    template = prompts.load("solve")
    texts = []
    for row in problems:
        program = to_program(row["solution"], row["answer"], row["question"])
        if program is None:
            continue
        if rng.random() < wrong:
            program = corrupt(program, rng)
        texts.append(program if rng.random() < bare else prompts.fill(template, question=row["question"]) + program)
    return texts


def train_student(
    problems: Sequence[dict],
    *,
    width: int = 128,
    layers: int = 4,
    heads: int = 4,
    steps: int = 330,
    batch_size: int = 64,
    wrong: float = 0.35,
    bare: float = 0.2,
    seed: int = 0,
    report: Callable[[int, float], None] = lambda step, loss: None,
) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """Pretrain a student from scratch on the pretrain split.

    Args:
        problems: records with solutions.
        width, layers, heads: the model's shape.
        steps, batch_size: optimiser steps and documents a step.
        wrong: share of documents whose program is wrong; it sets how much is left for SFT and RL to learn.
        bare: share of documents without a question.
        report: called with (step, loss).
    """
    texts = pretraining_texts(problems, wrong=wrong, bare=bare, seed=seed)
    tokenizer = build_tokenizer([*texts, *judge_words()])
    model = build_model(tokenizer, width=width, layers=layers, heads=heads, seed=seed)
    ids = [[*tokenizer(text)["input_ids"], tokenizer.eos_token_id] for text in texts]
    batches = _batches(len(ids), batch_size, seed)
    optimizers = _optimizers(model, steps)
    model.train()
    for step in range(1, steps + 1):
        tokens, mask = _pad([ids[i] for i in next(batches)], tokenizer.pad_token_id)
        logits = model(tokens, attention_mask=mask).logits
        loss = _next_token_loss(logits, tokens, mask)
        _update(loss, model, optimizers)
        report(step, loss.item())
    return model.eval(), tokenizer


def train_judge(
    problems: Sequence[dict],
    student: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    *,
    width: int = 128,
    layers: int = 4,
    heads: int = 4,
    steps: int = 750,
    batch_size: int = 64,
    reading_steps: int = 450,
    samples: int = 4,
    questions: int = 2500,
    labels: tuple[str, str] = LABELS,
    seed: int = 0,
    report: Callable[[int, float], None] = lambda step, loss: None,
) -> LlamaForCausalLM:
    """Train a single-token judge from scratch on the pretrain split.

    It first reads right solutions (language modelling), then learns to answer the judging prompt with one word on
    corrupted programs and on the untuned student's own samples, whose verdicts come from the verifier.

    Args:
        problems: records with solutions.
        student, tokenizer: whose samples are judged; the judge shares the tokenizer.
        steps, reading_steps: optimiser steps of judging and of reading before it.
        samples, questions: the student's samples for each of so many problems.
        labels: the two words, each one token after the judging prompt.
    """
    model = build_model(tokenizer, width=width, layers=layers, heads=heads, seed=seed + 1)
    model.train()
    texts = pretraining_texts(problems, wrong=0.0, bare=0.0, seed=seed)
    ids = [[*tokenizer(text)["input_ids"], tokenizer.eos_token_id] for text in texts]
    batches, optimizers = _batches(len(ids), batch_size, seed), _optimizers(model, reading_steps)
    for step in range(1, reading_steps + 1):
        tokens, mask = _pad([ids[i] for i in next(batches)], tokenizer.pad_token_id)
        loss = _next_token_loss(model(tokens, attention_mask=mask).logits, tokens, mask)
        _update(loss, model, optimizers)
        report(step, loss.item())
    pairs = judging_pairs(problems, student, tokenizer, samples=samples, questions=questions, seed=seed)
    template = prompts.load("judge", ("question", "solution"))
    verdicts = [
        label_token(tokenizer, prompts.fill(template, question="1+1?", solution="2"), label) for label in labels
    ]
    asked = [
        [*tokenizer(prompts.fill(template, question=q, solution=s))["input_ids"], verdicts[0 if right else 1]]
        for q, s, right in pairs
    ]
    batches, optimizers = _batches(len(asked), batch_size, seed + 1), _optimizers(model, steps, scale=0.5)
    for step in range(1, steps + 1):
        tokens, mask = _pad([asked[i] for i in next(batches)], tokenizer.pad_token_id)
        logits = model(tokens, attention_mask=mask, logits_to_keep=2).logits[:, 0]
        loss = cross_entropy(logits, tokens[:, -1])
        _update(loss, model, optimizers)
        report(reading_steps + step, loss.item())
    return model.eval()


def judging_pairs(
    problems: Sequence[dict], student, tokenizer, *, samples: int, questions: int, seed: int
) -> list[tuple[str, str, bool]]:
    """(question, solution, right) triples: right programs, corrupted ones, and the student's own samples."""
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
        pairs += [(row["question"], text, row["answer"]) for text in {s.text for s in group}]
    rng.shuffle(pairs)
    _, right = verify([p[1] for p in pairs], [p[2] for p in pairs], "program")
    return [(question, solution, good) for (question, solution, _), good in zip(pairs, right, strict=True)]


def make_student(pretrain: str, output: str, recipe: dict, say: Callable[[str], object]) -> None:
    """Train a student on a pretrain file and save it with its origin; `recipe` as in `train_student`."""
    model, tokenizer = train_student(list(read_jsonl(pretrain)), **recipe, report=_teller(say))
    _save(model, tokenizer, output, pretrain, recipe)


def make_judge(
    pretrain: str,
    student: str,
    output: str,
    recipe: dict,
    labels: tuple[str, str],
    say: Callable[[str], object],
) -> None:
    """Train a judge on a pretrain file and an untuned student's samples, and save it; `recipe` as in `train_judge`."""
    tokenizer = checkpoints.load_tokenizer(student)
    untuned = checkpoints.load_model(student)
    rows = list(read_jsonl(pretrain))
    model = train_judge(rows, untuned, tokenizer, **recipe, labels=labels, report=_teller(say))
    _save(model, tokenizer, output, pretrain, recipe)


def _save(model, tokenizer, output: str, pretrain: str, recipe: dict) -> None:
    checkpoints.save(model, tokenizer, output)
    origin = {"made_by": "gavel.scratch", "pretrain_sha256": file_digest(pretrain), "recipe": recipe}
    write_json(f"{output}/{ORIGIN}", origin)


def _teller(say: Callable[[str], object]) -> Callable[[int, float], None]:
    return lambda step, loss: say(f"step {step}: loss {loss:.3f}") if step % 50 == 0 else None


def _operands(line: str) -> list[str]:
    expression = line.split(" = ")[1]
    for operator in "+-*/()":
        expression = expression.replace(operator, " ")
    return expression.split()


def _batches(count: int, batch_size: int, seed: int) -> Iterator[list[int]]:
    rng = random.Random(f"batches-{seed}")
    while True:
        order = list(range(count))
        rng.shuffle(order)
        yield from (order[i : i + batch_size] for i in range(0, count - batch_size + 1, batch_size))


def _pad(rows: list[list[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, rows))
    tokens = torch.tensor([[pad] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    return tokens, mask


def _next_token_loss(logits: torch.Tensor, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    targets = tokens[:, 1:].masked_fill(mask[:, :-1] == 0, -100)
    return cross_entropy(logits[:, :-1].flatten(0, 1), targets.flatten(), ignore_index=-100)


def _optimizers(model: LlamaForCausalLM, steps: int, scale: float = 1.0) -> list:
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    optimizers = [
        torch.optim.Muon(matrices, lr=4e-3 * scale),
        torch.optim.AdamW(others, lr=2e-3 * scale, betas=(0.9, 0.95)),
    ]
    warmup = max(1, steps // 20)

    def rate(step: int) -> float:  # linear warm-up, then cosine to a tenth
        if step < warmup:
            return (step + 1) / warmup
        return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

    return [(o, torch.optim.lr_scheduler.LambdaLR(o, rate)) for o in optimizers]


def _update(loss: torch.Tensor, model: LlamaForCausalLM, optimizers: list) -> None:
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer, schedule in optimizers:
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
