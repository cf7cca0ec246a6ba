"""Whether splits hold what a judge's training and benchmark take of them; asked of configs, of data and in jobs."""

from collections.abc import Mapping

from gavel.common.errors import InputError


def check_unlabeled(taught: Mapping | None, found: int) -> None:
    """Every iteration of a self-taught judge takes unlabelled questions of its own.

    Args:
        taught: the config's `judge.self_taught`; None needs none.
        found: unlabelled questions.

    Raises:
        InputError: there are too few.
    """
    if taught and (wanted := taught["iterations"] * taught["questions"]) > found:
        raise InputError(
            f"judge.self_taught.questions: {taught['iterations']} iterations of {taught['questions']} need {wanted} "
            f"unlabelled questions, and there are {found}; ask for fewer, or raise data.unlabeled"
        )


def check_validation(questions: int, found: int) -> None:
    """At least as many validation problems as the judge benchmark has are left to select judges on.

    Args:
        questions: the config's `judge.benchmark.questions`; 0 without one.
        found: validation problems.

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
