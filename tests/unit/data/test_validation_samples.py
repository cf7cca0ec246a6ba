"""Samples of validation questions on disk."""

from gavel.data.draw import in_drawn_order
from gavel.data.validation_samples import ValidationSample, ValidationStore, read_validation_samples
from helpers.typed_rows import assert_typed


def columns(*responses):
    count = len(responses)
    values = {"id": "v1", "tokens": 3, "finished": True, "judge": 0.1 + 0.2, "correct": None}
    return {"response": list(responses)} | {name: [value] * count for name, value in values.items()}


def responses(store, folder):
    folder.mkdir(exist_ok=True)
    store.merge(folder)
    return {row["step"]: row["response"] for row in read_validation_samples(folder)}


def test_samples_are_read_as_they_were_written(tmp_path):
    store = ValidationStore(tmp_path / "state")
    store.write(0, columns("return 1"))
    store.write(10, columns("é", "</script>"))
    store.merge(tmp_path)
    rows = list(read_validation_samples(tmp_path))
    assert [(row["step"], row["response"]) for row in rows] == [(0, "return 1"), (10, "é"), (10, "</script>")]
    assert (rows[0]["judge"], rows[0]["correct"]) == (0.1 + 0.2, None)
    assert_typed(rows, ValidationSample)


def test_a_repeated_validation_replaces_the_earlier_one_and_what_followed(tmp_path):
    store = ValidationStore(tmp_path / "state")
    for step in (0, 10, 20):
        store.write(step, columns(f"first {step}"))
    store.write(10, columns("second"))
    assert responses(store, tmp_path / "out") == {0: "first 0", 10: "second"}
    store.write(20, columns("third"))
    assert responses(store, tmp_path / "out") == {0: "first 0", 10: "second", 20: "third"}


def test_a_run_from_before_has_none(tmp_path):
    assert list(read_validation_samples(tmp_path)) == []


def test_which_questions_are_followed_depends_on_their_ids_alone():
    ids = [f"q{number}" for number in range(50)]
    drawn = in_drawn_order(ids)
    assert drawn == in_drawn_order(reversed(ids)) != ids
    assert sorted(drawn) == sorted(ids)
    assert [one for one in drawn if one != "q7"] == in_drawn_order(one for one in ids if one != "q7")
