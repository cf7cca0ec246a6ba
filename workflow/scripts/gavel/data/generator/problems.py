"""Generate grade-school word problems in GSM8K's format.

Not a benchmark: a tiny model can learn these questions on a machine without network, downloads or a GPU. Solutions
have GSM8K's calculator annotations (`<<3*4=12>>`) and end in `#### N` (Cobbe et al. 2021, arXiv 2110.14168), so
downstream code treats them like the real data. `gavel.data.generator.templates` has the sentences.
"""

import random
import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from typing import cast

from gavel.common.errors import InputError
from gavel.data.generator.templates import (
    BOXES,
    COLOURS,
    ITEMS,
    MAIN_CLOSERS,
    MAIN_EVENTS,
    MAIN_OPENERS,
    NAMES,
    SVAMP_CLOSERS,
    SVAMP_EVENTS,
    SVAMP_OPENERS,
    WIDE_CLOSERS,
    WIDE_EVENTS,
    WIDE_OPENERS,
    Sentence,
)
from gavel.data.records import Record

WIDE = "wide"  # also the `kind` of its records, so that a reader of the pretrain split can skip them
STOCKS = {
    "main": (MAIN_OPENERS, MAIN_EVENTS, MAIN_CLOSERS),
    WIDE: (MAIN_OPENERS + WIDE_OPENERS, MAIN_EVENTS + WIDE_EVENTS, MAIN_CLOSERS + WIDE_CLOSERS),
    "svamp": (SVAMP_OPENERS, SVAMP_EVENTS, SVAMP_CLOSERS),
}
# (stocks to choose from at random, range of operations, range of events): pretraining stories are shorter than `main`.
SETS = {
    "pretrain": (("main", "main", WIDE), (1, 3), (0, 1)),
    "main": (("main",), (2, 3), (1, 2)),
    "svamp": (("svamp",), (1, 2), (0, 1)),
}
MAX_VALUE = 2000  # limits answers to four digits; longer ones would test digit copying, not reasoning
TRIES = 200  # attempts to sample a story's numbers before another story is sampled


@dataclass(frozen=True)
class Story:
    """A word problem before it is written out: sentences, their numbers, and the names and things in them."""

    sentences: tuple[Sentence, ...]
    numbers: tuple[tuple[Fraction, ...], ...]
    words: dict[str, str] = field(hash=False)
    stock: str
    reworded: bool = False

    def slots(self, index: int) -> dict[str, str]:
        """The words and this sentence's numbers, as arguments of `str.format`."""
        return self.words | {name: number_text(value) for name, value in zip("ab", self.numbers[index], strict=False)}

    def premises(self) -> list[str]:
        """The story's sentences as text, without its question and without empty sentences."""
        texts = [s.paraphrase if self.reworded else s.text for s in self.sentences]
        return [text.format(**self.slots(i)) for i, text in enumerate(texts) if text]

    def question(self) -> str:
        closer = self.sentences[-1]
        return (closer.question_paraphrase if self.reworded else closer.question).format(**self.words)

    def steps(self) -> list[tuple[str, Fraction, str]]:
        """Calculation steps as (expression over literals, value, what the value counts), in order."""
        done: list[tuple[str, Fraction, str]] = []
        quantity: Fraction | None = None
        for index, sentence in enumerate(self.sentences):
            known = dict(zip("ab", self.numbers[index], strict=False)) | {"q": quantity}
            values = cast("dict[str, Fraction]", known)  # no step uses the quantity before it is set
            if not sentence.steps and values.get("a") is not None and quantity is None:
                quantity = values["a"]
            for target, expression in sentence.steps:
                left, operator, right = _parts(expression)
                operands = [values[o[1]] if o.startswith("{") else Fraction(o) for o in (left, right)]
                values[target] = OPERATIONS[operator](*operands)
                text = f"{number_text(operands[0])}{operator}{number_text(operands[1])}"
                done.append((text, values[target], sentence.unit.format(**self.words)))
            quantity = values["q"] if sentence.steps else quantity
        return done

    def is_valid(self) -> bool:
        """Whether all values are positive integers up to `MAX_VALUE`, distinct, and different from the given
        numbers."""
        values = [value for _, value, _ in self.steps()]
        given = {number for numbers in self.numbers for number in numbers} | {Fraction(2), Fraction(3)}
        whole = all(value.denominator == 1 and 0 < value <= MAX_VALUE for value in values)
        return whole and bool(values) and len(set(values)) == len(values) and not given & set(values)


@cache
def _parts(expression: str) -> tuple[str, ...]:
    """Left operand, operator and right operand of a template's expression; there are few, so they are cached."""
    return re.fullmatch(r"(\S+?)([-+*/])(\S+)", expression).groups()  # type: ignore[union-attr]  # all templates match


OPERATIONS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


def number_text(value: Fraction) -> str:
    """A number as questions write it: an integer or a short decimal."""
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.10g}"


def record(story: Story, problem_id: str, source: str) -> Record:
    """The story as a record."""
    steps = story.steps()
    lines = [f"{text}=<<{text}={number_text(value)}>>{number_text(value)} {unit}" for text, value, unit in steps]
    gold = number_text(steps[-1][1])
    question = " ".join([*story.premises(), story.question()])
    solution = "\n".join([*lines, f"#### {gold}"])
    return {
        "id": problem_id,
        "source": source,
        "question": question,
        "solution": solution,
        "gold": gold,
        "kind": WIDE if story.stock == WIDE else None,
        "seed_id": None,
    }


def draw_numbers(sentences: tuple[Sentence, ...], rng: random.Random) -> tuple[tuple[Fraction, ...], ...]:
    return tuple(tuple(Fraction(rng.randint(low, high)) for low, high in s.ranges) for s in sentences)


def draw_words(rng: random.Random) -> dict[str, str]:
    n, m, p, d = rng.sample(NAMES, 4)
    x, y = rng.sample(ITEMS, 2)
    c1, c2 = rng.sample(COLOURS, 2)
    return {"n": n, "m": m, "p": p, "d": d, "x": x, "y": y, "c1": c1, "c2": c2, "box": rng.choice(BOXES)}


def redraw(story: Story, rng: random.Random) -> Story | None:
    """The same story with other numbers whose results are integers, or None if none are found."""
    for _ in range(TRIES):
        candidate = replace(story, numbers=draw_numbers(story.sentences, rng))
        if candidate.is_valid():
            return candidate
    return None


def draw_story(name: str, rng: random.Random) -> Story:
    """Sample a story of a set (`pretrain`, `main`, `svamp`) with numbers whose results are integers."""
    stocks, operations, events = SETS[name]
    while True:
        stock = rng.choice(stocks)
        openers, middles, closers = STOCKS[stock]
        middle = rng.sample(middles, rng.randint(*events))
        sentences = (rng.choice(openers), *middle, rng.choice(closers))
        if not operations[0] <= sum(len(s.steps) for s in sentences) <= operations[1]:
            continue
        story = redraw(Story(sentences, (), draw_words(rng), stock), rng)
        if story is not None:
            return story


def generate(
    name: str, count: int, seed: int, source: str, exclude: AbstractSet[str] = frozenset()
) -> list[tuple[Story, Record]]:
    """Sample `count` problems with distinct questions, deterministic in `(name, seed)`.

    Args:
        name: `pretrain`, `main` or `svamp`.
        count: number of problems.
        seed: any integer; other seeds give other problems.
        source: the records' `source`, and the prefix of their ids.
        exclude: questions to avoid.

    Returns:
        `(story, record)` pairs; perturbations need the story.

    Raises:
        InputError: there is no such set.
    """
    if name not in SETS:
        raise InputError(f"generator set {name!r} does not exist; choose one of {', '.join(SETS)}")
    rng = random.Random(f"{name}-{seed}")
    seen = set(exclude)
    problems: list[tuple[Story, Record]] = []
    while len(problems) < count:
        story = draw_story(name, rng)
        row = record(story, f"{source}-{len(problems):05d}", source)
        if row["question"] not in seen:
            seen.add(row["question"])
            problems.append((story, row))
    return problems
