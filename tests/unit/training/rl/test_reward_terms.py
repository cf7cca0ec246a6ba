"""Reward terms of the user's own: what they get, and what happens where they fail."""

import math

import pytest

from gavel.common.errors import InputError
from gavel.training.rl.reward_terms import RewardTerm, RewardTermSettings, add_terms
from gavel.training.rl.rewards import LambdaSchedule, MissingRewards, MixedReward, RewardRules

SHORT = """from dataclasses import dataclass

@dataclass
class Limit:
    length: int = 10

def short(questions, completions, golds):
    return [float(len(text) < Limit().length) for text in completions]
"""


def term(tmp_path, code, name="short"):
    path = tmp_path / "my_terms.py"
    path.write_text(code)
    return RewardTerm.load(RewardTermSettings(f"{path}:{name}", 0.2))


def returning(tmp_path, value):
    return term(tmp_path, f"nan = float('nan')\n\ndef short(questions, completions, golds):\n    return {value}\n")


def test_a_term_is_a_function_of_questions_completions_and_answers(tmp_path):
    made = term(tmp_path, "def seen(*columns):\n    seen.columns = columns\n    return [1, None]\n", "seen")
    assert made(("q", "q"), ("a", "b"), ("4", None)) == [1.0, None]
    assert made.function.columns == (["q", "q"], ["a", "b"], ["4", None])


def test_terms_are_added_to_the_mixed_reward_and_logged_by_pool(tmp_path):
    logged, made = {}, term(tmp_path, SHORT)
    rules = RewardRules("text", weights=(0.5,))
    mixed = MixedReward(LambdaSchedule(1.0), None, rules, MissingRewards(0.25), terms=[made])
    texts = ["4", "the answer is 4"]
    assert mixed(texts, ["q"] * 2, ["4"] * 2, log_metric=logged.__setitem__) == [1.5, 1.0]
    assert (logged["term_short_labeled"], logged["term_short_labeled_std"]) == (0.5, 0.5)
    assert mixed.last.terms == [[1.0], [0.0]]
    assert logged["reward_labeled"] == 1.25


def test_at_lambda_zero_a_term_gets_no_answer(tmp_path):
    from gavel.training.rl.rollout import question_order

    labeled = [{"id": "a", "question": "q", "gold": "4"}]
    options = {"lam": 0.0, "steps": 1, "per_step": 1, "labeled_fraction": 1.0, "seed": 0}
    assert [row["gold"] for row in question_order(labeled, [], **options)] == [None]


def test_a_missing_term_leaves_the_reward_missing():
    assert add_terms([1.0, None, 0.5], [[1.0, 2.0], [1.0, 1.0], [None, 1.0]], [0.5, -1.0]) == [-0.5, None, None]
    assert add_terms([1.0, None], [[], []], []) == [1.0, None]


@pytest.mark.parametrize(
    ("value", "found"),
    [("[1.0]", "1 values for 2 completions"), ("[1.0, 'x']", "'x'"), ("[nan, 1]", "nan"), ("[1.0, True]", None)]
    + [("[1.0, [1.0]]", r"\[1.0\]")],
)
def test_what_is_no_number_for_each_completion_is_refused_with_file_and_line(tmp_path, value, found):
    made = returning(tmp_path, value)
    if found is None:
        assert made(["q", "q"], ["a", "b"], [None, None]) == [1.0, 1.0]
        return
    with pytest.raises(InputError, match=rf"my_terms\.py:3: the reward term 'short' returned .*{found}"):
        made(["q", "q"], ["a", "b"], [None, None])


def test_the_line_is_named_for_a_path_that_is_relative_as_in_a_job(tmp_path, monkeypatch):
    term(tmp_path, "def short(questions, texts, golds):\n    return texts[5]\n")
    monkeypatch.chdir(tmp_path)
    made = RewardTerm.load(RewardTermSettings("my_terms.py:short", 1.0))
    with pytest.raises(InputError, match=r"^my_terms\.py:2: the reward term 'short' raised IndexError"):
        made(["q"], ["a"], [None])


@pytest.mark.parametrize(
    ("code", "line"),
    [("return helper(texts)\n\ndef helper(texts):\n    return [1 / 0]", 5), ("\n    return 5", 3)],
)
def test_a_term_that_raises_is_named_with_the_line(tmp_path, code, line):
    made = term(tmp_path, f"def short(questions, texts, golds):\n    {code}\n")
    if line == 3:
        with pytest.raises(InputError, match=r"the reward term 'short' raised TypeError"):
            made(["q"], ["a"], [None])
        return
    with pytest.raises(InputError, match=rf"my_terms\.py:{line}: the reward term 'short' raised ZeroDivisionError"):
        made(["q"], ["a"], [None])


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def short(:\n", r"my_terms\.py:1: SyntaxError"),
        ("\nimport no_such_package_at_all\n", r"my_terms\.py:2: ModuleNotFoundError"),
        ("def long(a, b, c): pass\n", r"has no function 'short' \(it has long\)"),
        ("short = 3\n", r"has no function 'short' \(it has none\)"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path, code, message):
    with pytest.raises(InputError, match=message):
        term(tmp_path, code)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="is no Python file"):
        RewardTerm.load(RewardTermSettings(f"{tmp_path}/none.py:short", 1.0))


def test_numbers_of_other_packages_are_numbers(tmp_path):
    code = "import numpy as np\n\ndef short(q, c, g):\n    return np.array([0.5, 2], dtype=np.float32)\n"
    assert term(tmp_path, code)(["q"] * 2, ["a"] * 2, [None] * 2) == [0.5, 2.0]
    assert math.isclose(sum(term(tmp_path, SHORT)(["q"], ["a"], [None])), 1.0)
