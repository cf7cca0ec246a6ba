import pytest

from gavel import prompts
from gavel.errors import InputError


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


def test_an_unknown_prompt_lists_the_shipped_ones():
    with pytest.raises(
        InputError, match="judge, judge-instruct, pairwise, .*, reasoning, reasoning-instruct, reft, solve"
    ):
        prompts.load("nowhere")
