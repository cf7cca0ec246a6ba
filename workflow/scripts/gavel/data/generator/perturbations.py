"""Make a test set like GSM-Plus: apply its eight perturbation kinds to generated problems.

The kinds and their names are from GSM-Plus (Li et al., ACL 2024, arXiv 2402.19255); the implementations are our own.
`UNSEEN` lists the kinds that are out of distribution for pretraining; the report marks them.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TypedDict, cast

from gavel.data.generator.problems import OPERATIONS, TRIES, Story, draw_numbers, number_text, record, redraw
from gavel.data.generator.templates import DISTRACTORS, MAIN_EVENTS, Sentence
from gavel.data.records import Record
from gavel.solutions.numbers import UNANSWERABLE

INVERSE = {"+": "-", "-": "+", "*": "/", "/": "*"}


class PerturbedProblem(TypedDict):
    """A perturbed problem without an id; `gold` is its gold answer."""

    question: str
    solution: str | None
    gold: str | None


def numerical_substitution(story: Story, rng: random.Random) -> PerturbedProblem | None:
    """Replace the numbers by others of the same size."""
    other = redraw(story, rng)
    return _row(other) if other else None


def digit_expansion(story: Story, rng: random.Random) -> PerturbedProblem | None:
    """Append a random digit to one number."""
    for _ in range(TRIES):
        i, j = _pick_number(story, rng)
        other = _with_number(story, i, j, story.numbers[i][j] * 10 + rng.randint(0, 9))
        if _positive(other) and all(value.denominator == 1 for _, value, _ in other.steps()):
            return _row(other)
    return None


def integer_decimal_fraction(story: Story, rng: random.Random) -> PerturbedProblem | None:
    """Turn one integer into a decimal, so that quantities need not be integers."""
    for _ in range(TRIES):
        i, j = _pick_number(story, rng)
        other = _with_number(story, i, j, story.numbers[i][j] + Fraction(rng.choice((1, 2, 3)), 4))
        if _positive(other) and all(_short(value) for _, value, _ in other.steps()):
            return _row(other)
    return None


def adding_operation(story: Story, rng: random.Random) -> PerturbedProblem | None:
    """Add one event before the question."""
    others = [event for event in MAIN_EVENTS if event not in story.sentences]
    for _ in range(TRIES):
        event = rng.choice(others)
        sentences = (*story.sentences[:-1], event, story.sentences[-1])
        numbers = (*story.numbers[:-1], draw_numbers((event,), rng)[0], story.numbers[-1])
        other = replace(story, sentences=sentences, numbers=numbers)
        if other.is_valid():
            return _row(other)
    return None


def reversing_operation(story: Story, rng: random.Random) -> PerturbedProblem | None:
    """Give the final quantity and ask for the initial one: the solution undoes every step, last one first."""
    events = story.sentences[1:-1]
    if not events:
        return None
    opener, blank = Sentence("{n} has {a} {x}.", (), ((5, 60),)), Sentence("", (), ())
    first = redraw(Story((opener, *events, blank), (), story.words, story.stock), rng)
    if first is None:
        return None
    end = quantity = first.steps()[-1][1]
    undone: list[tuple[str, Fraction]] = []
    for index in range(len(events), 0, -1):
        values = dict(zip("ab", first.numbers[index], strict=False))
        for target, expression in first.sentences[index].steps:
            left, operator, right = expression[:3], expression[3], expression[4:]
            texts = [values[o[1]] if o.startswith("{") and o[1] != "q" else o for o in (left, right)]
            numbers = [Fraction(o) if isinstance(o, str) and o != "{q}" else o for o in texts]
            operand = cast("list[Fraction]", numbers)  # except for the quantity, which is being undone
            if target == "t":
                values["t"] = OPERATIONS[operator](operand[0], operand[1])
                undone.append((f"{number_text(operand[0])}{operator}{number_text(operand[1])}", values["t"]))
                continue
            before = OPERATIONS[INVERSE[operator]](quantity, operand[1])
            undone.append((f"{number_text(quantity)}{INVERSE[operator]}{number_text(operand[1])}", before))
            quantity = before
    premises = ["{n} has some {x}.".format(**story.words), *first.premises()[1:]]
    ask = f"In the end {{n}} has {number_text(end)} {{x}}. How many {{x}} did {{n}} have at first?".format(
        **story.words
    )
    lines = [f"{text}=<<{text}={number_text(value)}>>{number_text(value)} {story.words['x']}" for text, value in undone]
    gold = number_text(quantity)
    return {
        "question": " ".join([*premises, ask]),
        "solution": "\n".join([*lines, f"#### {gold}"]),
        "gold": gold,
    }


def problem_understanding(story: Story, rng: random.Random) -> PerturbedProblem | None:
    """Rephrase the problem."""
    return _row(replace(story, reworded=True))


def distractor_insertion(story: Story, rng: random.Random) -> PerturbedProblem | None:
    """Insert a sentence with an irrelevant number."""
    extra = rng.choice(DISTRACTORS).format(**story.words, z=rng.randint(2, 60))
    row = _row(story)
    premises = story.premises()
    premises.insert(rng.randint(1, len(premises)), extra)
    return {**row, "question": " ".join([*premises, story.question()])}


def critical_thinking(story: Story, rng: random.Random) -> PerturbedProblem | None:
    """Remove a necessary number, so that the question is unanswerable (gold: the string `None`)."""
    i, j = _pick_number(story, rng)
    slot = "{" + "ab"[j] + "}"
    sentence = story.sentences[i]
    vague = replace(sentence, text=sentence.text.replace(slot, "some"))
    sentences = (*story.sentences[:i], vague, *story.sentences[i + 1 :])
    question = " ".join([*replace(story, sentences=sentences).premises(), story.question()])
    return {"question": question, "solution": None, "gold": UNANSWERABLE}


KINDS: dict[str, Callable[[Story, random.Random], PerturbedProblem | None]] = {
    "numerical substitution": numerical_substitution,
    "digit expansion": digit_expansion,
    "integer-decimal-fraction conversion": integer_decimal_fraction,
    "adding operation": adding_operation,
    "reversing operation": reversing_operation,
    "problem understanding": problem_understanding,
    "distraction insertion": distractor_insertion,
    "critical thinking": critical_thinking,
}
# Kinds whose sentences or number types occur neither in pretraining nor in any judge's training.
UNSEEN = frozenset(KINDS) - {"numerical substitution", "digit expansion", "adding operation"}


def perturb(problems: Sequence[tuple[Story, Record]], count: int, seed: int, source: str) -> list[Record]:
    """Make `count` perturbed problems with equal numbers per kind, each linked to its seed by `seed_id`.

    Args:
        problems: what `gavel.data.generator.problems.generate` returned for the seed questions.
        count: number of records; the kinds alternate, so their counts differ by one at most.
        seed: decides seed questions, sentences and numbers.
        source: the records' `source`, and the prefix of their ids.
    """
    rng = random.Random(f"perturb-{seed}")
    rows: list[Record] = []
    seen = {row["question"] for _, row in problems}
    kinds = list(KINDS)
    while len(rows) < count:
        kind = kinds[len(rows) % len(kinds)]
        story, original = rng.choice(problems)
        made = KINDS[kind](story, rng)
        if made is None or made["question"] in seen:
            continue
        seen.add(made["question"])
        name = f"{source}-{len(rows):05d}"
        rows.append({"id": name, "source": source, **made, "kind": kind, "seed_id": original["id"]})
    return rows


def _row(story: Story) -> PerturbedProblem:
    row = record(story, "", "")
    return {"question": row["question"], "solution": row["solution"], "gold": row["gold"]}


def _pick_number(story: Story, rng: random.Random) -> tuple[int, int]:
    return rng.choice([(i, j) for i, numbers in enumerate(story.numbers) for j in range(len(numbers))])


def _with_number(story: Story, i: int, j: int, value: Fraction) -> Story:
    row = (*story.numbers[i][:j], value, *story.numbers[i][j + 1 :])
    return replace(story, numbers=(*story.numbers[:i], row, *story.numbers[i + 1 :]))


def _positive(story: Story) -> bool:
    return all(value > 0 and value.denominator <= 1000 for _, value, _ in story.steps())


def _short(value: Fraction) -> bool:
    return 10000 % value.denominator == 0  # at most four decimals, so that the text is exact
