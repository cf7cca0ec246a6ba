"""Judges that watch: what they add to a validation, when their alarm goes off, and that they change nothing else."""

import csv

import pytest

from gavel.common.errors import InputError
from gavel.judge.verdict import Judge, Usage, Verdict
from gavel.training.rl.validation_rules import watch_alarms
from gavel.training.rl.watchers import Watchers, load_watchers
from helpers.small_run import small_run


class Fixed(Judge):
    """Gives the same probabilities every time, at two tokens a response."""

    def __init__(self, *scores):
        self.scores, self.asked = scores, 0

    @property
    def usage(self):
        return Usage(self.asked, 2 * self.asked)

    def verdicts(self, questions, solutions):
        self.asked += len(solutions)
        return [Verdict(score) for score in self.scores]


def validations(judge, watching, name="other", every=5):
    return [
        {"step": every * place, "accuracy": 0.5, "judge": own, f"watch_{name}": other}
        for place, (own, other) in enumerate(zip(judge, watching, strict=True))
    ]


def test_a_watching_judge_adds_its_mean_score_and_how_often_it_agrees():
    watch = Watchers({"a": Fixed(0.9, 0.2, None, 0.6), "b": Fixed(None, None, None, None)})
    found = watch(["q"] * 4, ["r"] * 4, [True, True, True, None])
    assert found == {"watch_a": pytest.approx(1.7 / 3), "agreement_a": 0.5, "watcher_tokens": 16}
    assert watch(["q"] * 4, ["r"] * 4, [None] * 4)["watcher_tokens"] == 16  # of this validation, not of all
    assert "agreement_a" not in watch(["q"] * 4, ["r"] * 4, [None] * 4)  # beside a pairwise judge


@pytest.mark.parametrize(
    ("judge", "watching", "expected"),
    [
        ([0.5, 0.6, 0.7, 0.8], [0.6, 0.6, 0.4, 0.3], 1.0),  # the judge's score rises, the other's falls
        ([0.5, 0.6, 0.5, 0.4], [0.6, 0.5, 0.4, 0.4], 0.0),  # both fall
        ([0.5, 0.5, 0.5, 0.5], [0.6, 0.6, 0.55, 0.55], 0.0),  # by less than the drop
        ([0.5, 0.4, 0.3, 0.2], [0.6, 0.6, 0.2, 0.2], 1.0),  # little is left, whatever the judge says
        ([0.5, 0.6, 0.7, 0.8], [0.6, 0.6, None, 0.3], 0.0),  # one answered validation does not suffice
    ],
)
def test_the_alarm_compares_two_judges_and_reads_no_label(judge, watching, expected):
    rows = validations(judge, watching)
    assert watch_alarms(rows, 0.1, 2) == {"alarm_other": expected}
    assert watch_alarms([row | {"accuracy": None} for row in rows], 0.1, 2) == {"alarm_other": expected}


def test_an_alarm_needs_the_scores_of_both_judges():
    assert watch_alarms(validations([0.5, None], [0.5, 0.4]), 0.1, 1) == {}
    assert watch_alarms(validations([0.5, 0.5], [0.5, None]), 0.1, 1) == {}
    assert watch_alarms([{"judge": 0.5, "watch_": 0.5, "watcher_tokens": 3}], 0.1, 1) == {"alarm_": 0.0}


def test_several_judges_watch_for_themselves():
    rows = [
        {"judge": 0.5, "watch_a": 0.6, "watch_b": 0.6},
        {"judge": 0.6, "watch_a": 0.3, "watch_b": 0.6},
    ]
    assert watch_alarms(rows, 0.1, 1) == {"alarm_a": 1.0, "alarm_b": 0.0}


def read(folder):
    with (folder / "monitor.csv").open(newline="") as handle:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(handle)]


@pytest.mark.parametrize("lam", [0.5, 1.0])
def test_a_run_is_watched_at_any_lambda_and_trains_as_it_would_without(tiny, rows, tmp_path, lam):
    watch = {"same": {"model": tiny}, "other": {"model": tiny, "labels": [" No", " Yes"]}}
    for name, changes in {"plain": {}, "watched": {"watch": watch}}.items():
        (tmp_path / name).mkdir()
        small_run(tmp_path / name, tiny, rows, lam=lam, settings={"steps": 2}, **changes)
    plain, watched = (read(tmp_path / name / "out") for name in ("plain", "watched"))
    for before, after in zip(plain, watched, strict=True):
        assert after.items() >= before.items()
        assert after["watch_same"] == after["judge"]
        assert after["agreement_same"] == 1.0
        assert after["watch_other"] == pytest.approx(1 - after["watch_same"])
        assert {after["alarm_same"], after["alarm_other"]} <= {0.0, 1.0}
    assert watched[0]["watcher_tokens"] > 0  # later ones may be in the run's cache
    files = [(tmp_path / name / "out/final/model.safetensors").read_bytes() for name in ("plain", "watched")]
    assert files[0] == files[1]


def test_an_alarm_is_logged_once_and_ends_nothing(tiny, rows, tmp_path, monkeypatch, capsys):
    seen = []

    def falling(self, questions, responses, accepted):
        seen.append(responses)
        return {"watch_other": 0.9 if len(seen) < 3 else 0.1}

    monkeypatch.setattr(Watchers, "__call__", falling)
    rules = {"on_collapse": "stop", "collapse_drop": 0.1, "collapse_patience": 1}
    summary = small_run(tmp_path, tiny, rows, watch={"other": {"model": tiny}}, validation=rules | {"questions": 4})
    alarms = [row.get("alarm_other") for row in read(tmp_path / "out")]
    assert alarms[:4] == [0.0, 0.0, 1.0, 1.0]
    assert summary["ended"] is None or summary["ended"]["action"] == "stop"  # by the labels, if at all
    said = capsys.readouterr()
    assert (said.out + said.err).count("alarm without labels: the mean score of the watching judge other") == 1


def test_a_watching_judge_that_does_not_load_is_named(tmp_path):
    assert load_watchers({}, str(tmp_path / "cache.db")) is None
    with pytest.raises(InputError, match=r"judge.watch.mine: .*nowhere"):
        load_watchers({"mine": {"model": str(tmp_path / "nowhere")}}, str(tmp_path / "cache.db"))
