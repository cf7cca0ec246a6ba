import pytest

from gavel.common.errors import InputError
from gavel.models import prompts


def test_slots_inside_values_are_not_filled():
    text = prompts.fill("Q: {question} A: {solution}", question="what is {solution}?", solution="{question}")
    assert text == "Q: what is {solution}? A: {question}"


def test_a_file_of_ones_own_works(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("{question}!")
    assert prompts.fill(prompts.load(str(path)), question="Why") == "Why!"


def test_a_missing_slot_is_named(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("{question}")
    with pytest.raises(InputError, match=r"no slot \{solution\}"):
        prompts.load(str(path), ("question", "solution"))


def test_a_prompt_that_cannot_be_read_is_one_line(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_bytes(b"caf\xe9 {question}")
    with pytest.raises(InputError, match=f"{path}: not UTF-8 text; convert the file to UTF-8"):
        prompts.load(str(path))
    for name in ("Answer this: {question}" * 50, "a\0b", "x" * 300):
        with pytest.raises(InputError, match="is neither a file nor one of the shipped prompts") as error:
            prompts.load(name)
        assert "\n" not in str(error.value)


def test_an_unknown_prompt_lists_the_shipped_ones():
    with pytest.raises(
        InputError,
        match="choice, judge, judge-choice, judge-instruct, judge-reference, .*, reft, solve",
    ):
        prompts.load("nowhere")
