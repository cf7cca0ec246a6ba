"""Check that splits are large enough for the judge's training and benchmark."""

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
