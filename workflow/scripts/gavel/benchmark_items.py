"""The judge benchmark's items: pairs of a right and a wrong solution of one validation problem, by several policies.

Judges are chosen on them, so they are made from validation problems alone (whose labels say what is right) and never
from a test set. The layout is RewardBench's (Lambert et al. 2024, arXiv 2403.13787), with a column of ours, so that its
tools read the file too. Here nothing is sampled (`gavel.benchmark_solutions`) and no judge is asked
(`gavel.judge_benchmark`).
"""

import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gavel.answers import verify
from gavel.convert import to_program
from gavel.corruption import corrupt
from gavel.error_kinds import error_kind, steps
from gavel.errors import InputError
from gavel.numerals import canonical, fraction
from gavel.split_sizes import check_validation

COLUMNS = ("id", "prompt", "chosen", "rejected", "chosen_model", "rejected_model", "subset", "steps")
TRIES = 20  # at another spoilt reference, for each that is wanted
SLIPS = (-10, -3, -2, -1, 1, 2, 3, 10)  # by which a text's number is wrong

Solution = tuple[str, str]  # its policy and its text


class Checked(NamedTuple):
    """A solution and what the verifier says of it."""

    policy: str
    text: str
    answer: str | None
    correct: bool


def split(rows: Sequence[dict], questions: int) -> tuple[list[dict], list[dict]]:
    """Validation problems in two parts: those that judges are selected on, and the benchmark, the last `questions`.

    The file's order is that of hashed ids, so its end is a sample like any other.

    Raises:
        InputError: fewer problems would be left for selection than the benchmark has.
    """
    check_validation(questions, len(rows))
    return list(rows[:-questions]), list(rows[-questions:])


def usable(rows: Sequence[dict], solution_format: str) -> dict[str, str]:
    """Id -> reference solution, of the problems that have an answer and a solution (a program: one that converts).

    Problems that cannot be answered are passed over, as the probes do (`gavel.probes`): no step of theirs is right.
    """
    found = {}
    for row in rows:
        if row.get("answer") in (None, "None") or not row.get("solution"):
            continue
        text = row["solution"]
        if solution_format == "program":
            text = to_program(text, row["answer"], row["question"])
        if text:
            found[row["id"]] = text
    return found


def spoilt(reference: str, answer: str, solution_format: str, count: int, rng: random.Random) -> list[str]:
    """Up to `count` different references with one injected error each; some may yet be right (8 + 3 for 3 + 8).

    Of a program one step is changed (`gavel.corruption`); in a text, the answer's number, in the last step as well.
    """
    if solution_format == "program":
        made = (corrupt(reference, rng) for _ in range(TRIES * count) if " = " in reference)
    else:
        made = (_slipped(reference, answer, by) for by in rng.sample(SLIPS, len(SLIPS)))
    found: dict[str, None] = {}
    for text in made:
        if text != reference:
            found[text] = None
        if len(found) == count:
            break
    return list(found)


def _slipped(text: str, answer: str, by: int) -> str:
    """A text whose answer, and whatever equals it in its last step, is off by so much."""
    wrong = canonical(fraction(answer) + by)
    lines = text.rstrip().split("\n")
    body, last = lines[:-1], lines[-1]
    own = rf"(?<![\d.,]){re.escape(answer)}(?![\d]|[.,]\d)"
    if last.startswith("####"):
        return "\n".join([*body[:-1], *(re.sub(own, wrong, line) for line in body[-1:]), f"#### {wrong}"])
    changed = re.sub(own, wrong, last)
    return "\n".join([*body, changed if changed != last else f"{last}\n#### {wrong}"])


def pairs(
    rows: Sequence[dict],
    references: Mapping[str, str],
    solutions: Mapping[str, Sequence[Solution]],
    solution_format: str,
    most: int,
    seed: int = 0,
) -> list[dict]:
    """The items, in the order of `rows`: for each problem up to `most` pairs of different wrong solutions.

    In every round each problem, in random order, adds the wrong solution whose kind of error is the rarest so far (then
    the one whose policy is), against the right one whose policy is the rarest. A text that several policies gave counts
    for the first of them.

    Args:
        rows: the benchmark's validation problems.
        references: id -> reference, as `usable` gives it; other problems are passed over.
        solutions: id -> solutions of the problem by all policies, right and wrong.
        most: pairs of a problem.
        seed: of the choice.

    Returns:
        Rows with `COLUMNS`: `subset` is the kind of error of the wrong solution (`gavel.error_kinds`), `steps` the
        number of steps of the reference.

    Raises:
        InputError: no problem has both a right and a wrong solution.
    """
    kept = [row for row in rows if row["id"] in references]
    rng = random.Random(f"benchmark-{seed}")
    right, wrong = {}, {}
    for row, checked in zip(kept, _checked(kept, solutions, solution_format), strict=True):
        right[row["id"]] = [one for one in checked if one.correct]
        named = [
            (error_kind(one.text, references[row["id"]], one.answer, solution_format), one)
            for one in checked
            if not one.correct
        ]
        rng.shuffle(named)
        wrong[row["id"]] = named
    seen: dict[str, Counter] = {"kind": Counter(), "wrong": Counter(), "right": Counter()}
    found: dict[str, list[dict]] = {row["id"]: [] for row in kept}
    for _ in range(most):
        for row in rng.sample(kept, len(kept)):
            left, good = wrong[row["id"]], right[row["id"]]
            if not left or not good:
                continue
            kind, bad = min(left, key=lambda pair: (seen["kind"][pair[0]], seen["wrong"][pair[1].policy]))
            left.remove((kind, bad))
            best = min(rng.sample(good, len(good)), key=lambda one: seen["right"][one.policy])
            for name, value in (("kind", kind), ("wrong", bad.policy), ("right", best.policy)):
                seen[name][value] += 1
            about = (best.text, bad.text, best.policy, bad.policy, kind, steps(references[row["id"]], solution_format))
            identity = f"{row['id']}-{len(found[row['id']])}"
            found[row["id"]].append(dict(zip(COLUMNS, (identity, row["question"], *about), strict=True)))
    items = [item for own in found.values() for item in own]
    if not items:
        raise InputError(
            f"none of {len(rows)} problems has both a right and a wrong solution ({len(kept)} have a reference to hold "
            "them against); give problems with solutions, or raise the number of samples (judge.benchmark.samples, "
            "judge.rl.samples)"
        )
    return items


def _checked(
    rows: Sequence[dict], solutions: Mapping[str, Sequence[Solution]], solution_format: str
) -> list[list[Checked]]:
    """Each problem's different solutions with the verifier's answers and verdicts."""
    first: list[dict[str, str]] = []
    for row in rows:
        own: dict[str, str] = {}
        for policy, text in solutions[row["id"]]:
            own.setdefault(text, policy)
        first.append(own)
    texts = [text for own in first for text in own]
    golds = [row["answer"] for row, own in zip(rows, first, strict=True) for _ in own]
    verdicts = zip(*verify(texts, golds, solution_format), strict=True) if texts else iter(())
    found = [[Checked(policy, text, *next(verdicts)) for text, policy in own.items()] for own in first]
    return [[one for one in own if one.correct is not None] for own in found]  # None: its program did not run
