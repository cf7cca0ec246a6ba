"""A panel of judges: how it combines scores, what it asks, and what is missing."""

import statistics

import pytest

from gavel.common.errors import InputError
from gavel.common.files import write_jsonl
from gavel.judge.load import load
from gavel.judge.panel import COMBINE, Panel
from gavel.judge.verdict import Judge, Usage, Verdict, rewards
from helpers.judge_scores import scores_of

ONE = Usage(1, 2, 3, 4)


class Fixed(Judge):
    """Gives the same verdicts every time."""

    def __init__(self, *verdicts, usage=ONE):
        self.given, self.used = verdicts, usage

    @property
    def usage(self):
        return self.used

    def verdicts(self, questions, solutions):
        self.first_prompt = "asked"
        return list(self.given)


def combined(combine, *probabilities, penalty=1.0):
    members = {str(place): Fixed(Verdict(value)) for place, value in enumerate(probabilities)}
    (verdict,) = Panel(members, combine, penalty).verdicts(["q"], ["r"])
    return verdict.score


def test_scores_are_combined_and_stay_probabilities():
    each = (0.9, 0.6, 0.3)
    assert combined("mean", *each) == pytest.approx(0.6)
    assert combined("minimum", *each) == 0.3
    spread = statistics.pstdev(each)
    assert combined("mean-less-disagreement", *each) == pytest.approx(0.6 - spread)
    assert combined("mean-less-disagreement", *each, penalty=0.5) == pytest.approx(0.6 - spread / 2)
    assert combined("mean-less-disagreement", *each, penalty=9) == 0.0  # never below
    assert combined("mean-less-disagreement", 0.8, 0.8) == pytest.approx(0.8)


def test_the_configs_ways_to_combine_are_those_of_the_panel():
    from typing import get_args

    from gavel.study.schema.judge_kinds import Panel as Section

    assert set(get_args(Section.model_fields["combine"].annotation)) == set(COMBINE)


def test_a_member_that_gave_no_answer_leaves_the_score_missing():
    judge = Panel({"a": Fixed(Verdict(0.9), Verdict(0.8)), "b": Fixed(Verdict(None), Verdict(0.6))}, "minimum")
    missing, known = judge.verdicts(["q", "q"], ["r", "s"])
    assert (missing.score, missing.probability, missing.phrasings, missing.says_right) == (None, None, (), False)
    assert (known.score, known.phrasings) == (0.6, (0.8, 0.6))
    assert rewards(judge, [missing, known]) == [None, 0.6]


def test_a_verdict_has_the_members_parts():
    judge = Panel(
        {
            "a": Fixed(Verdict(2.5, 0.2, True, probability=0.9), usage=Usage(10, 20)),
            "b": Fixed(Verdict(0.7, 0.4), usage=Usage(1, 2, 3, 4)),
        }
    )
    (verdict,) = judge.verdicts(["q"], ["r"])
    assert verdict.score == verdict.probability == pytest.approx(0.8)  # of probabilities, not of log-odds
    assert (verdict.off_label, verdict.truncated) == (pytest.approx(0.3), True)
    assert judge.usage == Usage(11, 22, 3, 4)
    assert judge.first_prompt == "asked"


def settings(tiny, **changes):
    members = {"yes": {"model": tiny}, "no": {"model": tiny, "labels": [" No", " Yes"]}}
    return {"kind": "panel", "panel": {"combine": "mean", "penalty": 1.0, "members": members} | changes}


def test_members_are_loaded_with_their_own_settings_and_one_cache(tiny, rows, tmp_path):
    questions, solutions = [row["question"] for row in rows[:3]], [row["program"] for row in rows[:3]]
    cache = str(tmp_path / "cache.db")
    judge = load(**settings(tiny), cache=cache, server=None, batch_tokens=64)
    assert scores_of(judge, questions, solutions) == pytest.approx([0.5] * 3)  # P(Yes) and 1 - P(Yes)
    assert judge.usage.prompts == 6 and judge.usage.cached == 0
    assert [member.backend.batch_tokens for member in judge.members.values()] == [64, 64]
    again = load(**settings(tiny, combine="minimum"), cache=cache)
    lowest = [min(verdict.phrasings) for verdict in judge.verdicts(questions, solutions)]
    assert scores_of(again, questions, solutions) == pytest.approx(lowest)
    assert again.usage.cached == 6  # answers of the members, whatever is made of them
    assert again.usage.tokens == 0


def test_a_simulated_member_gets_the_answers(tmp_path):
    simulated = {"tpr": 1.0, "fpr": 0.0, "errors": "once", "noise": 0.0, "bias": None, "weight": 1.0, "seed": 0}
    exact = {"kind": "simulated", "model": "", "simulated": simulated | {"format": "text", "answer_type": "number"}}
    wrong = exact | {"simulated": exact["simulated"] | {"tpr": 0.0, "fpr": 1.0}}
    write_jsonl(tmp_path / "gold.jsonl", [{"id": "1", "question": "q", "gold": "4"}])
    panel = {"combine": "minimum", "penalty": 1.0, "members": {"exact": exact, "wrong": wrong}}
    judge = load(kind="panel", panel=panel, answers=[str(tmp_path / "gold.jsonl")])
    (verdict,) = judge.verdicts(["q"], ["#### 4"])
    assert (verdict.score, verdict.phrasings) == (0.0, (1.0, 0.0))
    with pytest.raises(InputError, match=r"judge.panel.judges.exact: judge.simulated: .* only inside a study"):
        load(kind="panel", panel=panel)


def test_a_member_that_does_not_load_is_named(tiny, tmp_path):
    broken = settings(tiny)
    broken["panel"]["members"]["lost"] = {"model": str(tmp_path / "nowhere")}
    with pytest.raises(InputError, match=r"judge.panel.judges.lost: .*nowhere"):
        load(**broken)
