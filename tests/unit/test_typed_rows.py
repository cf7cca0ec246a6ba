"""What the tests of rows on disk rest on: a row that is not as its TypedDict says is told apart."""

from typing import Literal, NotRequired, TypedDict

import pytest

from helpers.typed_rows import assert_typed, mismatch


class Inner(TypedDict):
    share: float


class Row(TypedDict):
    name: str
    score: float | None
    parts: list[float]
    state: Literal["done"]
    inner: NotRequired[Inner]


GOOD = {"name": "a", "score": None, "parts": [1, 0.5], "state": "done"}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({}, None),
        ({"score": 1, "inner": {"share": 0.5}}, None),
        ({"name": None}, "name: None is no"),
        ({"score": "1"}, "score: '1' is none of"),
        ({"score": True}, "score: True is none of"),
        ({"parts": ["x"]}, "parts: 'x' is no"),
        ({"parts": None}, "parts: no list"),
        ({"state": "failed"}, "state: 'failed' is none of"),
        ({"inner": {}}, "inner: no share"),
        ({"answer": "1"}, "answer besides"),
    ],
)
def test_a_row_is_held_against_its_type(change, problem):
    found = mismatch(GOOD | change, Row)
    assert found == problem if problem is None else found.startswith(problem)


def test_a_key_that_is_missing_is_named_and_no_rows_prove_nothing():
    with pytest.raises(AssertionError, match="row 1 is no Row: no parts, score"):
        assert_typed([GOOD, {"name": "a", "state": "done"}], Row)
    with pytest.raises(AssertionError, match="no rows"):
        assert_typed([], Row)
