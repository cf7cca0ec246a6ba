"""Nested settings laid over others."""

from gavel.common import nested


def test_an_overlay_changes_its_keys_and_no_others():
    common = {"a": {"b": 1, "c": [1, 2]}, "d": 3}
    assert nested.merge(common, {"a": {"c": [5]}, "e": 4}) == {"a": {"b": 1, "c": [5]}, "d": 3, "e": 4}
    assert common == {"a": {"b": 1, "c": [1, 2]}, "d": 3}
