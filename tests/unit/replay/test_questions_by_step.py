"""Questions followed through training, on hand-made rollouts."""

import pyarrow.parquet as pq
import pytest

from gavel.data.draw import in_drawn_order
from gavel.data.gold import Question
from gavel.data.rollouts import RolloutStore
from gavel.data.validation_samples import ValidationStore
from gavel.replay import questions_by_step
from gavel.replay.questions_by_step import QUESTIONS, FollowedQuestions, FollowedResponse, read_kinds
from gavel.replay.truth import write_table
from gavel.training.rl.rewards import RewardRules
from helpers.typed_rows import assert_typed

RIGHT, WRONG = "The answer is 1.", "The answer is 2."


def rollout(*rows):
    """Columns of completions, each given as (id, labelled, response, verifiable reward, judge's score)."""
    ids, labeled, responses, verifiable, scores = map(list, zip(*rows, strict=True))
    count = len(rows)
    fixed = {"tokens": 2, "finished": True, "lambda": 0.5, "reward": 0.5, "terms": [], "advantage": 0.0}
    columns = {name: [value] * count for name, value in (fixed | {"logp": -1.0, "skipped": False}).items()}
    columns |= {"id": ids, "labeled": labeled, "response": responses, "verifiable": verifiable, "judge": scores}
    return columns | {"group": list(range(count))}


def run_folder(folder, steps, validations=None):
    """A run's kept rollouts: step -> rows, and step -> what it wrote about the validation question `v`."""
    store = RolloutStore(folder / "state")
    for step, rows in steps.items():
        store.write(step, rollout(*rows))
    store.merge(folder / "rollouts")
    samples = ValidationStore(folder / "validation")
    for step, (response, score, right) in (validations or {}).items():
        row = {"id": "v", "response": response, "tokens": 2, "finished": True, "judge": score, "correct": right}
        samples.write(step, {name: [value] for name, value in row.items()})
    if validations:
        samples.merge(folder / "rollouts")
    return str(folder / "rollouts")


def followed(tmp_path, runs, questions, accepts=0.5):
    kinds = dict.fromkeys(questions, "distractor insertion")
    found = FollowedQuestions(runs, questions, kinds, accepts)
    write_table(runs, questions, RewardRules("text"), tmp_path / "rollouts.csv", accepts, found.add)
    found.write(tmp_path / "followed.parquet")
    rows = pq.read_table(tmp_path / "followed.parquet").to_pylist()
    assert_typed(rows, FollowedResponse)
    return rows


def test_judge_verifier_and_truth_are_kept_apart(tmp_path):
    asked = {"l": Question("labelled?", "1"), "u": Question("withheld?", "1"), "x": Question("unknown?", None)}
    asked |= {"v": Question("validation?", "1")}
    steps = {1: [("l", True, RIGHT, 1.0, 0.2), ("l", True, WRONG, 0.1, 0.9), ("u", False, WRONG, None, 0.9)]}
    steps |= {2: [("x", False, RIGHT, None, 0.9), ("u", False, RIGHT, None, None)]}
    run = run_folder(tmp_path / "a", steps, {0: (RIGHT, 0.7, True), 2: (WRONG, None, False)})
    rows = followed(tmp_path, {"a": run}, asked)
    said = [(r["pool"], r["id"], r["step"], r["judge_right"], r["verifiable"], r["truth"]) for r in rows]
    assert said[:3] == [
        ("validation", "v", 0, True, None, True),
        ("validation", "v", 2, None, None, False),
        ("labelled", "l", 1, False, 1.0, True),  # the first of its completions
    ]
    assert {*said[3:]} == {
        ("unlabelled", "u", 1, False, None, False),
        ("unlabelled", "u", 2, None, None, True),
        ("unlabelled", "x", 2, None, None, None),
    }
    assert {(row["question"], row["gold"], row["kind"]) for row in rows if row["id"] == "u"} == {
        ("withheld?", "1", "distractor insertion")
    }


def test_the_judge_accepts_by_its_own_kind_of_score(tmp_path):
    run = run_folder(tmp_path / "a", {1: [("u", False, RIGHT, None, 0.2)]})
    asked = {"u": Question("?", "1")}
    assert followed(tmp_path, {"a": run}, asked, accepts=0.0)[0]["judge_right"] is True
    assert followed(tmp_path, {"a": run}, asked, accepts=0.5)[0]["judge_right"] is False
    assert followed(tmp_path, {"a": run}, asked, accepts=None)[0]["judge_right"] is None


def test_questions_of_most_runs_are_followed_then_of_most_steps_then_by_draw(tmp_path, monkeypatch):
    monkeypatch.setattr(questions_by_step, "QUESTIONS", 3)

    def rows(*ids):
        return [(key, False, RIGHT, None, 0.5) for key in ids]

    few = [f"q{number}" for number in range(9)]
    runs = {
        "a": run_folder(tmp_path / "a", {1: rows("both", "twice", *few), 2: rows("twice")}),
        "b": run_folder(tmp_path / "b", {1: rows("both")}),
    }
    asked = {key: Question(key, "1") for key in ("both", "twice", *few)}
    found = followed(tmp_path, runs, asked)
    assert {row["id"] for row in found} == {"both", "twice", in_drawn_order(few)[0]}
    assert [row["run"] for row in found if row["id"] == "both"] == ["a", "b"]
    assert [row["step"] for row in found if row["id"] == "twice"] == [1, 2]


@pytest.mark.parametrize("labeled", [True, False])
def test_the_number_of_questions_is_limited_in_each_pool(tmp_path, labeled):
    ids = [f"q{number}" for number in range(QUESTIONS + 5)]
    run = run_folder(tmp_path / "a", {1: [(key, labeled, RIGHT, None, None) for key in ids]})
    found = followed(tmp_path, {"a": run}, {key: Question(key, "1") for key in ids})
    assert len({row["id"] for row in found}) == QUESTIONS


def test_kinds_are_read_from_data_files(write):
    path = write({"id": "a", "kind": "reversal"}, {"id": "b", "kind": None})
    assert read_kinds([path]) == {"a": "reversal", "b": None}
