"""Rollouts on disk."""

import pytest

from gavel.common.errors import InputError
from gavel.data.rollouts import SCHEMA, RolloutRow, RolloutStore, asked_questions, read_rollouts
from helpers.typed_rows import assert_typed


def columns(*responses, **changes):
    count = len(responses)
    values = {"group": 0, "id": "q1", "labeled": True, "tokens": 3, "finished": True, "lambda": 0.5}
    values |= {"verifiable": 1.0, "judge": None, "reward": 0.1 + 0.2, "advantage": 0.25, "logp": -1.5, "skipped": False}
    values["terms"] = []
    return {"response": list(responses)} | {name: [value] * count for name, value in (values | changes).items()}


def test_a_rollout_is_read_as_it_was_written(tmp_path):
    store = RolloutStore(tmp_path / "state")
    store.write(1, columns("return 1", "é\nreturn 2", judge=0.1 + 0.7, terms=[0.1 + 0.2, None]))
    store.write(2, columns("return 3", id=None, logp=None))
    store.merge(tmp_path / "rollouts")
    first, second = read_rollouts(tmp_path / "rollouts")
    assert [row["response"] for row in first] == ["return 1", "é\nreturn 2"]
    assert first[0]["reward"] == 0.1 + 0.2  # not rounded to float32
    assert first[0]["judge"] == 0.1 + 0.7
    assert (first[0]["terms"], second[0]["terms"]) == ([0.1 + 0.2, None], [])
    assert [row["step"] for row in first + second] == [1, 1, 2]
    assert (second[0]["id"], second[0]["logp"]) == (None, None)
    assert_typed([*first, *second], RolloutRow)
    assert set(first[0]) == set(SCHEMA.names)


def test_steps_are_in_numerical_order(tmp_path):
    store = RolloutStore(tmp_path / "state")
    for step in (10, 9, 100):
        store.write(step, columns(f"return {step}"))
    store.merge(tmp_path / "rollouts")
    assert [rows[0]["step"] for rows in read_rollouts(tmp_path / "rollouts")] == [9, 10, 100]


def test_a_cut_back_drops_later_steps_and_what_a_kill_left(tmp_path):
    store = RolloutStore(tmp_path)
    for step in (1, 2, 3):
        store.write(step, columns("x"))
    (tmp_path / ".4.parquet.123.partial").write_text("half")
    store.truncate(2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.parquet", "2.parquet"]


def test_merging_again_replaces_the_folder(tmp_path):
    store = RolloutStore(tmp_path / "state")
    store.write(1, columns("x"))
    store.merge(tmp_path / "rollouts")
    store.write(2, columns("y"))
    store.merge(tmp_path / "rollouts")
    assert [rows[0]["response"] for rows in read_rollouts(tmp_path / "rollouts")] == ["x", "y"]


def test_a_run_that_has_kept_none_is_an_empty_file(tmp_path):
    RolloutStore(tmp_path / "state").merge(tmp_path / "rollouts")
    assert list(read_rollouts(tmp_path / "rollouts")) == []


@pytest.mark.parametrize(("every", "kept"), [(1, [1, 2, 3, 4]), (3, [1, 4])])
def test_every_nth_rollout_is_kept(tmp_path, every, kept):
    store = RolloutStore(tmp_path, every)
    assert [step for step in range(1, 5) if store.keeps(step)] == kept


@pytest.mark.parametrize("content", [None, b"", b"not Parquet"])
def test_a_missing_or_broken_file_names_itself_and_the_key(tmp_path, content):
    if content is not None:
        (tmp_path / "rollouts.parquet").write_bytes(content)
    with pytest.raises(InputError, match=r"rollouts.parquet: cannot be read .*rl.keep_rollouts"):
        next(read_rollouts(tmp_path))
    with pytest.raises(InputError, match=r"rollouts.parquet: cannot be read .*rl.keep_rollouts"):
        asked_questions(tmp_path)


def test_questions_are_counted_once_for_each_step(tmp_path):
    store = RolloutStore(tmp_path / "state")
    store.write(1, columns("a", "b", id="q1"))
    store.write(2, columns("c", id="q1"))
    store.write(3, columns("d", id="q2", labeled=False))
    store.merge(tmp_path / "rollouts")
    assert sorted(asked_questions(tmp_path / "rollouts")) == [("q1", True, 2), ("q2", False, 1)]
