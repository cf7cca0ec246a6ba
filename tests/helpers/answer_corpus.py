"""Texts with known verdicts, to measure the verifier's error rates: written cases and constructed classes.

A constructed text has one number `n` that a correct solution would give, and another, `m`, that appears as well. A
template says whether the text answers `n`; where it does, the same text must be wrong for the answer `m`.
"""

import json
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).parent / "data"
DRAWS = 20  # of numbers, for each template


class Row(NamedTuple):
    """A response, an answer, and whether a correct verifier accepts the response for the answer."""

    kind: str
    response: str
    answer: str
    right: bool


class Rates(NamedTuple):
    """Of one class: rows that are wrong and right, and how many of either the verifier gets wrong."""

    wrong: int
    accepted: int
    right: int
    rejected: int


# Texts that answer n, and texts that do not, though they mention it.
TEMPLATES: dict[str, tuple[list[str], list[str]]] = {
    "negation": (
        [
            "The answer is {n}, not {m}.",
            "It is not {m} but {n}.",
            "The answer isn't {m}. The answer is {n}.",
            "You might think it is {m}. That is not right. The answer is {n}.",
            "There are {n} left rather than {m}.",
            "{m} is wrong. She has {n}.",
            "The total is {n}, which is not the same as {m}.\n#### {n}",
        ],
        [
            "The answer is not {n}.",
            "So it cannot be {n}.",
            "The answer is definitely not {n}.",
            "I don't believe the answer is {n}.",
            "{n} is not the answer.",
            "The answer isn't {n}, it is {m}.",
            "The answer is anything but {n}.",
            "It would be wrong to say {n}.",
            "#### not {n}",
            "Nobody would say that the answer is {n}.",
        ],
    ),
    "hedging": (
        [
            "The answer is probably {n}.",
            "I am not sure, but I think the answer is {n}.",
            "It should be about {n}.\n#### {n}",
            "Perhaps {m}? No: 2 + 3 more makes {n}. The answer is {n}.",
            "I would say {n}.",
        ],
        [
            "The answer is {n} or {m}.",
            "The answer is either {m} or {n}.",
            "The answer could be {n} or {m}.",
            "The answer is between {m} and {n}.",
            "#### {m} or {n}",
            "It is {n}, or maybe {m}.",
            "It is {n} if they are all sold, and {m} otherwise.",
            "Is the answer {n}?",
            "The answer is {n}? I cannot tell.",
            "The answer is more than {n}.",
            "Somewhere between {n} and {m}.",
            "\\boxed{{{n} \\text{{ or }} {m}}}",
        ],
    ),
    "contradiction": (
        [
            "The answer is {m}. Wait, that is wrong. The answer is {n}.",
            "#### {m}\nLet me check. I forgot one box.\n#### {n}",
            "\\boxed{{{m}}} is what I had first. Corrected: \\boxed{{{n}}}",
            "The answer is {m}. No, it's {n}.",
            "So she has {m}. Actually, she has {n}.",
            "The answer is {m}. Sorry, I made a mistake. It is {n}.",
        ],
        [
            "The answer is {n}. Wait, that is wrong. The answer is {m}.",
            "#### {n}\nLet me check. I forgot one box.\n#### {m}",
            "The answer is {n}. No, it's {m}.",
            "The answer is {n}. That's not right.",
            "The answer is {n}. Scratch that.",
            "The answer is {n}. Hmm, I was wrong, it must be {m}.",
            "The answer is {n}. On second thought, {m}.",
            "The answer is {n}. Let me recompute: the total is {m}.",
        ],
    ),
    "echo of the question": (
        [
            "Question: Tom has {m} apples and buys more. How many has he now?\nAnswer: He has {n}.\n#### {n}",
            "Q: Tom had {m} apples. How many are left?\nA: {n}",
            "How many apples does Tom have? He started with {m}. He has {n} now.",
            "We want to know how many of the {m} apples are left. The answer is {n}.",
        ],
        [
            "Tom has {m} apples and Ann has {n}. How many do they have together?",
            "Question: Tom has {m} apples and Ann has {n}. How many do they have together?\nAnswer:",
            "Q: Tom has {n} apples. How many has he?\nA:",
            "Tom has {n} apples. What is the number of apples?",
            "Tom has {n} apples. Find the number of apples that he has.",
        ],
    ),
    "shotgun list": (
        ["The numbers are {m}, 3 and 7, so the answer is {n}.", "Candidates are {m} and {n}. We find \\boxed{{{n}}}."],
        [
            "The answer is {m}, {n}, 3.",
            "#### {n} {m}",
            "#### {m}, {n}",
            "\\boxed{{{m}, {n}}}",
            "\\boxed{{{m}}}, \\boxed{{{n}}}",
            "The answer is {m} and {n}.",
            "1 2 3 4 5 {n}",
            "Possible answers: {m}, 7, {n}",
            "A: {n}; {m}",
            "The answer is one of {m}, 3, {n}.",
            "x = {m} or x = {n}",
            "\\boxed{{{m}}} \\boxed{{{n}}}",
            "{m}\n7\n3\n{n}",
            "- {m}\n- 7\n- {n}",
        ],
    ),
    "unit and format": (
        [
            "#### {n} apples",
            "The answer is ${n}.",
            "The answer is {n} miles per hour.",
            "\\boxed{{{n}\\text{{ cm}}^2}}",
            "The area is {n} cm^2.",
            "**Final Answer:** {n}%",
            "#### Final Answer\n{n}",
            "#### Step 1: {m} boxes\nThere are {m} boxes.\n#### Step 2: the total\nIt is {n}.",
            "The answer (arabic numerals) is {n}.\n\n{m} boxes cost more.",
            "Therefore, the answer is: **{n}** dollars.",
            "<think> {m}? </think> <answer> {n} </answer>",
            "The final answer is $\\boxed{{{n}}}$. I hope it is correct.",
            "#### {n}.00",
            "#### {n:,}",
            "The answer is Rs.{n}.",
            "The answer is {n}.\n\nQuestion: Tom has {m}. How many?\nThe answer is {m}.",
            "The answer is {n} because 2 * 3 = {m}.",
            "$\\frac{{{n}}}{{1}}$",
            "The answer is {n} \\times 1.",
            "#### {n}x10^0",
            "#### {n}e0",
            "#### ({n})",
            "Ann has {n} of them; the room is B12.",
        ],
        [
            "#### -{n}",
            "#### - {n}",
            "The answer is negative {n}.",
            "The answer is {n}:45.",
            "The answer is {n}x.",
            "It is in room A{n}.",
            "#### {n}.5",
            "\\boxed{{{n}!}}",
            "The answer is {n}/{m}.",
            "The answer is {n} hours and {m} minutes.",
            "The answer is {m} because 2 * 3 = {n}.",
            "{m} cm^{n}",
            "The answer is {n} million.",
        ],
    ),
    "truncated reasoning": (
        ["He has {m} left, so 3 + 4 + {m} = {n}", "So the total is {n}", "It costs {m} + 3 = ${n}, which is"],
        [
            "He has {m} and buys {n}, so {m} + {n} =",
            "so {m} + {n}",
            "The total is {m} * {n} = <<{m}*{n}=",
            "so \\boxed{{{n}",
            "The answer is",
            "<think> He has {m} and buys {n}. That makes",
            "The answer is {m} + {n}",
            "#### {m} - {n}",
            "He has {n} apples and then he buys",
        ],
    ),
}


# The same classes, written after the verifier's rules and never used to change them: its errors on texts that it was
# not made for. Whoever changes the rules for one of these moves it up, and writes another.
HELD_OUT: dict[str, tuple[list[str], list[str]]] = {
    "negation": (
        ["She would be wrong with {m}; the right number is {n}.", "There aren't {m} pens in the box. There are {n}."],
        [
            "Therefore {n} does not work.",
            "The answer turns out not to be {n}.",
            "We can exclude {n}.",
            "By no means is it {n}.",
            "Clearly the answer differs from {n}.",
        ],
    ),
    "hedging": (
        ["I am fairly confident that it is {n}.", "The answer seems to be {n}."],
        [
            "The answer is {n}, unless the tax counts, in which case it is {m}.",
            "It could be {n}. It could be {m}.",
            "The answer ranges from {m} to {n}.",
            "Some say {n}, some say {m}.",
            "The answer is {m}/{n}, one of the two.",
        ],
    ),
    "contradiction": (
        [
            "The answer is {m}. Let me redo this. The answer is {n}.",
            "First I thought {m}. Now I see that it is {n}.",
        ],
        [
            "The answer is {n}. Strike that: {m}.",
            "#### {n}\nOn reflection the total is {m}.",
            "The answer is {n}. Ignore that. It is {m}.",
            "\\boxed{{{n}}} is not what they want; they want {m}.",
        ],
    ),
    "echo of the question": (
        ["The question is how many pens remain of {m}. The answer is {n}."],
        [
            "Ann reads {n} pages a day. How long does she need for {m} pages?",
            "We are given {m} and {n} and should find the sum.",
            "A shop has {m} pens, and {n} more arrive. The question is how many there are.",
        ],
    ),
    "shotgun list": (
        ["I considered {m}, 7 and 3. The answer is {n}."],
        [
            "{m}; {n}",
            "The values are {m} for Ann and {n} for Tom.",
            "The answer is {m}, or {n}, or 7.",
            "Try {m}, then 7, then {n}.",
            "Option 1: {m}\nOption 2: {n}",
        ],
    ),
    "unit and format": (
        [
            "Ann pays {n} dollars and nothing else.",
            "Answer -> {n}",
            "The answer is {n} (in dollars).",
            "ANSWER: {n} PEOPLE",
            "$\\text{{Total}} = {n}\\text{{ km}}$",
            "The answer is exactly ${n}.00.",
            "It is {n}km.",
            "The answer is: \\[ {n} \\]",
            "Final Answer: \\({n}\\)",
            "{n} people in all!",
        ],
        [
            "The answer is {n} tenths.",
            "Call {n}-{m}.",
            "The answer is {n} parts in {m}.",
            "The answer is version {n}.{m}.1.",
        ],
    ),
    "truncated reasoning": (
        ["All in all, {n} pens"],
        [
            "The total is {m} more than {n}",
            "We subtract {n} from",
            "So we have {m} groups of {n}",
            "#### The number of pens is {m} +",
            "If {m} cost 3, then {n}",
        ],
    ),
}


def constructed(templates: dict[str, tuple[list[str], list[str]]] = TEMPLATES, draws: int = DRAWS) -> Iterable[Row]:
    """Rows of templates, each filled with `draws` pairs of numbers (always the same)."""
    rng = random.Random(0)
    for kind, (answering, others) in templates.items():
        for template in answering + others:
            for _ in range(draws):
                n, m = rng.sample(range(11, 3000), 2)
                text = template.format(n=n, m=m)
                yield Row(kind, text, str(n), template in answering)
                if template in answering:
                    yield Row(kind, text, str(m), False)


def written() -> Iterable[Row]:
    """The cases of public bug reports, and the kinds that were made of them."""
    for line in (DATA / "answer_cases.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield Row("public bug reports", row["response"], row["answer"], row["right"])
    for line in (DATA / "answer_kinds.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield Row(f"written: {row['kind']}", row["response"], row["answer"], row["right"])


def rates(rows: Sequence[Row], verdicts: Sequence[bool]) -> dict[str, Rates]:
    """The errors of each class, in order of appearance."""
    found: dict[str, Rates] = {}
    for row, verdict in zip(rows, verdicts, strict=True):
        wrong, accepted, right, rejected = found.get(row.kind, Rates(0, 0, 0, 0))
        if row.right:
            right, rejected = right + 1, rejected + (not verdict)
        else:
            wrong, accepted = wrong + 1, accepted + verdict
        found[row.kind] = Rates(wrong, accepted, right, rejected)
    return found


def table(found: dict[str, Rates], show: Callable[[str], None] = print) -> None:
    """One line a class: rates of wrong answers that are accepted and of right ones that are rejected."""
    show(f"{'class':34} {'false accepts':>20} {'false rejects':>20}")
    for kind, (wrong, accepted, right, rejected) in found.items():
        show(f"{kind:34} {_rate(accepted, wrong):>20} {_rate(rejected, right):>20}")


def _rate(errors: int, of: int) -> str:
    return f"{errors}/{of} = {100 * errors / of:.1f} %" if of else "-"
