"""What a tiny judge made from scratch learns to answer: each task a judging prompt with its right answer."""

import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gavel.judge.kinds import KINDS, TASKS
from gavel.judge.prompting import phrasings, render

PAIRS = 3  # of a question, for the tasks that compare


class Labeled(NamedTuple):
    """A solution of a question, with the verifier's verdict."""

    question: str
    solution: str
    right: bool


class Example(NamedTuple):
    """A judging prompt, what is written before the label (nothing, by a judge that answers at once), the label."""

    prompt: str
    reply: str
    label: str


def labels_of(tasks: Sequence[str], own: Sequence[str] | None) -> dict[str, Sequence[str]]:
    """Each task's labels: the judge's own where it learns one task, else their kinds' defaults."""
    return {task: own if own and len(tasks) == 1 else KINDS[TASKS[task][0]].labels for task in tasks}


def examples(
    task: str, triples: Sequence[Labeled], references: Mapping[str, str], labels: Sequence[str], seed: int
) -> list[Example]:
    """The examples of a task, in the order of the triples.

    A judge that writes first writes the reference: its own solution, to hold the other's against. One that compares
    sees a right solution and a wrong one, in an order drawn for each pair.

    Args:
        triples: solutions with the verifier's verdicts.
        references: question -> right solution.
        labels: for right and wrong, or for the first and the second solution.
    """
    kind, reasons = TASKS[task]
    (template,) = phrasings(KINDS[kind].defaults(reasons)["prompt"], labels, False, KINDS[kind].slots, reasons)
    if kind == "single-token":
        asked = [({"question": q, "solution": s}, labels[0 if right else 1]) for q, s, right in triples]
    else:
        asked = _compared(triples, labels, random.Random(f"pairs-{seed}"))
    found = []
    for values, label in asked:
        prompt = render(template, **values)
        if isinstance(prompt, str):
            found.append(Example(prompt, "", label))
        else:
            found.append(Example(prompt[0], references[values["question"]] + prompt[1], label))
    return found


def _compared(
    triples: Sequence[Labeled], labels: Sequence[str], rng: random.Random
) -> list[tuple[dict[str, Any], str]]:
    groups: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    for question, solution, right in triples:
        groups.setdefault(question, ({}, {}))[0 if right else 1][solution] = True
    found = []
    for question, (good, bad) in groups.items():
        pairs = [(better, worse) for better in good for worse in bad]
        for better, worse in rng.sample(pairs, min(PAIRS, len(pairs))):
            ahead = rng.random() < 0.5
            first, second = (better, worse) if ahead else (worse, better)
            found.append(({"question": question, "first": first, "second": second}, labels[0 if ahead else 1]))
    return found
