"""Check that splits are large enough, and have enough solutions, for what a study does with them."""

from collections.abc import Mapping
from typing import Any

from gavel.common.errors import InputError


def check_unlabeled(iterations: int, questions: int, found: int) -> None:
    """Check that each iteration of a self-taught judge gets its own unlabelled questions.

    Args:
        iterations, questions: of the config's `judge.self_taught`; questions in each iteration.
        found: number of unlabelled questions.

    Raises:
        InputError: there are too few.
    """
    if (wanted := iterations * questions) > found:
        raise InputError(
            f"judge.self_taught.questions: {iterations} iterations of {questions} need {wanted} "
            f"unlabelled questions, but there are {found}; ask for fewer, or raise data.unlabeled"
        )


def check_validation(questions: int, found: int) -> None:
    """Check that the judge benchmark leaves at least as many validation problems for selecting judges as it takes.

    Args:
        questions: the config's `judge.benchmark.questions`; 0 without a benchmark.
        found: number of validation problems.

    Raises:
        InputError: there are too few.
    """
    if found < 2 * questions:
        raise InputError(
            f"judge.benchmark.questions: {questions} of {found} validation problems would leave "
            f"{max(0, found - questions)} to select judges on, fewer than the benchmark has; "
            + (f"ask for at most {found // 2}, or " if found > 1 else "")
            + f"raise data.validation to {2 * questions}"
        )


def check_solutions(solutions: int, labeled: int, batch_size: int, reasons: Mapping[str, Any] | None = None) -> None:
    """Check that SFT has enough solutions to train on.

    Args:
        solutions: number of labelled questions with a solution, in program format one that converts.
        labeled: number of labelled questions.
        batch_size: the config's `sft.batch_size`.
        reasons: why solutions do not convert, as in `splits.json`.

    Raises:
        InputError: there are none, or fewer than one batch.
    """
    if solutions >= batch_size:
        return
    unconverted = [
        f"{one['count']} do not convert ({kind}): {one['first'][0]}" for kind, one in (reasons or {}).items()
    ]
    why = f" ({'; '.join(unconverted)})" if unconverted else ""
    worked = "write `solution: {format: text}` for solutions without <<48/2=24>> calculations, " if unconverted else ""
    advice = f"name the solutions' column in data.train.columns.solution, {worked}or leave SFT out (`sft: null`)"
    if not solutions:
        raise InputError(f"sft: none of {labeled} labelled questions has a solution to train on{why}; {advice}")
    raise InputError(
        f"sft.batch_size: is {batch_size}, but only {solutions} of {labeled} labelled questions have a solution to "
        f"train on{why}; lower it to at most {solutions}, {advice}"
    )


def check_references(solutions: int, key: str, questions: str) -> None:
    """Check that there are reference solutions to make pairs of a correct and an incorrect solution from.

    Args:
        solutions: number of questions with a solution, in program format one that converts.
        key: the config section that needs them.
        questions: which questions they are, such as `validation`.

    Raises:
        InputError: there are none.
    """
    if not solutions:
        raise InputError(
            f"{key}: compares with reference solutions, but none of the {questions} questions has one; name the "
            f"solutions' column in data.train.columns.solution, or leave out {key}"
        )


def check_withheld(key: str, known: int, unlabeled: int) -> None:
    """Check that every unlabelled question has a gold answer, withheld from training.

    Args:
        key: of the config, which needs them.
        known: number of unlabelled questions whose gold answer is known.
        unlabeled: number of unlabelled questions.

    Raises:
        InputError: some have none.
    """
    if known < unlabeled:
        raise InputError(
            f"{key}: needs the gold answer of every unlabelled question, but {unlabeled - known:,} of {unlabeled:,} "
            "have none; leave it out"
        )
