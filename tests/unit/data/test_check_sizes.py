"""Splits hold what a judge's training and benchmark take of them, or the message says how much they do hold."""

import pytest

from gavel.common.errors import InputError
from gavel.data.check_sizes import check_unlabeled, check_validation


def test_every_iteration_takes_questions_of_its_own():
    check_unlabeled(2, 25, 50)
    with pytest.raises(
        InputError, match="2 iterations of 30 need 60 unlabelled questions, but there are 50; ask for fewer, or raise"
    ):
        check_unlabeled(2, 30, 50)


def test_a_benchmark_leaves_as_much_to_select_on():
    check_validation(10, 20)
    check_validation(0, 0)
    with pytest.raises(
        InputError,
        match="11 of 20 validation problems would leave 9 .* ask for at most 10, or raise data.validation to 22",
    ):
        check_validation(11, 20)
    with pytest.raises(InputError, match="would leave 0 to select"):
        check_validation(30, 20)
    with pytest.raises(InputError, match="fewer than the benchmark has; raise data.validation to 2"):
        check_validation(1, 1)
