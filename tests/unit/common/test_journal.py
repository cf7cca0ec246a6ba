"""The journal that feeds the MLflow mirror."""

import json
import math
import time

import pytest

from gavel.common.errors import InputError
from gavel.common.journal import Journal


class TestJournal:
    def test_rows_come_back_in_order_with_null_for_what_is_not_finite(self, tmp_path):
        journal = Journal(tmp_path / "deep/journal.jsonl")
        assert list(journal.rows()) == [] and journal.truncate(3) == 0
        journal.append(1, {"a": 0.1, "b": math.inf})
        journal.append(2, {"a": math.nan, "c": None})
        assert [(row["step"], row["metrics"]) for row in journal.rows()] == [
            (1, {"a": 0.1, "b": None}),
            (2, {"a": None, "c": None}),
        ]
        assert abs(next(journal.rows())["time"] / 1000 - time.time()) < 60

    @pytest.mark.parametrize("cut", range(1, 60, 7))
    def test_a_torn_last_line_is_dropped(self, tmp_path, cut):
        journal = Journal(tmp_path / "journal.jsonl")
        journal.append(1, {"a": 1.0})
        whole = journal.path.read_bytes()
        journal.append(2, {"a": 2.0})
        journal.path.write_bytes(journal.path.read_bytes()[:-cut])
        assert [row["step"] for row in journal.rows()] == [1]
        journal.append(3, {"a": 3.0})
        assert [row["step"] for row in journal.rows()] == [1, 3]
        assert journal.path.read_bytes().startswith(whole)

    def test_truncate_drops_later_steps_only(self, tmp_path):
        journal = Journal(tmp_path / "journal.jsonl")
        for step in (10, 20, 20, 30, 40):
            journal.append(step, {"a": step})
        with open(journal.path, "a") as handle:
            handle.write('{"step": 50')
        assert journal.truncate(20) == 2
        assert [json.loads(line)["step"] for line in journal.path.read_text().splitlines()] == [10, 20, 20]

    def test_a_broken_line_inside_is_an_error_with_its_number(self, tmp_path):
        journal = Journal(tmp_path / "journal.jsonl")
        journal.path.write_text('{"step": 1, "metrics": {}}\nnonsense\n')
        with pytest.raises(InputError, match="journal.jsonl:2"):
            list(journal.rows())
