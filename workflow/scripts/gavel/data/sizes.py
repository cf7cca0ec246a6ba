"""Check that splits are large enough for the judge's training and benchmark."""

from collections.abc import Mapping

from gavel.common.errors import InputError


def check_unlabeled(taught: Mapping | None, found: int) -> None:
    """Check that each iteration of a self-taught judge gets its own unlabelled questions.

    Args:
        taught: the config's `judge.self_taught`, or None.
        found: number of unlabelled questions.

    Raises:
        InputError: there are too few.
    """
    if taught and (wanted := taught["iterations"] * taught["questions"]) > found:
        raise InputError(
            f"judge.self_taught.questions: {taught['iterations']} iterations of {taught['questions']} need {wanted} "
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
