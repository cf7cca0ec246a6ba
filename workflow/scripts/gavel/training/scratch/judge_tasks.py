"""What a tiny judge trained from scratch learns: for each task, judging prompts with their correct answers."""

import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gavel.judge.kinds import KINDS, TASKS
from gavel.judge.prompting import phrasings, render

PAIRS = 3  # for each question, in the pairwise tasks


class LabeledSolution(NamedTuple):
    """A solution of a question, with the verifier's verdict."""

    question: str
    solution: str
    right: bool


class Example(NamedTuple):
    """A judging prompt, the text before the label word (empty for a direct judge), the label word."""

    prompt: str
    reply: str
    label: str


def labels_of(tasks: Sequence[str], own: Sequence[str] | None) -> dict[str, Sequence[str]]:
    """Each task's label words: the judge's own if it learns a single task, else the defaults of the task's kind."""
    return {task: own if own and len(tasks) == 1 else KINDS[TASKS[task][0]].labels for task in tasks}


def examples(
    task: str, triples: Sequence[LabeledSolution], references: Mapping[str, str], labels: Sequence[str], seed: int
) -> list[Example]:
    """The examples of a task, in the order of the triples.

    A judge that reasons first writes the reference solution, to compare the judged one with. A pairwise judge sees a
    correct and an incorrect solution, in a random order for each pair.

    Args:
        triples: solutions with the verifier's verdicts.
        references: question -> reference solution.
        labels: label words for correct and incorrect, or for the first and the second solution.

    Raises:
        NotImplementedError: no branch here makes the examples of the task's kind of judge.
    """
    kind, reasons = TASKS[task]
    (template,) = phrasings(KINDS[kind].defaults(reasons)["prompt"], labels, False, KINDS[kind].slots, reasons)
    if kind == "single-token":
        asked = [({"question": q, "solution": s}, labels[0 if right else 1]) for q, s, right in triples]
    elif kind == "pairwise":
        asked = _compared(triples, labels, random.Random(f"pairs-{seed}"))
    else:
        raise NotImplementedError(f"{task!r}: no examples for judges of kind {kind!r}; add a branch for it here")
    found = []
    for values, label in asked:
        prompt = render(template, **values)
        if isinstance(prompt, str):
            found.append(Example(prompt, "", label))
        else:
            found.append(Example(prompt[0], references[values["question"]] + prompt[1], label))
    return found


def _compared(
    triples: Sequence[LabeledSolution], labels: Sequence[str], rng: random.Random
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
