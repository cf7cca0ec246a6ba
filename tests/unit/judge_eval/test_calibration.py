"""A judge's metrics, against scikit-learn where it has them and against hand-made cases where it does not."""

import random
import runpy
from contextlib import suppress
from types import SimpleNamespace

import pytest
from sklearn.metrics import roc_auc_score

from gavel.common.errors import InputError
from gavel.common.files import write_json
from gavel.common.paths import ROOT
from gavel.judge.verdict import Verdict
from gavel.judge_eval.calibration import agreement, breakdown, by_length, calibrate, error_rates, judge_report, weakness
from gavel.stats.auc import auc, auc_within

SCRIPTS = ROOT / "workflow" / "scripts"


def test_auc_agrees_with_scikit_learn():
    rng = random.Random(0)
    correct = [rng.random() < 0.4 for _ in range(300)]
    scores = [round(rng.random() * 0.6 + 0.3 * c, 1) for c in correct]  # rounded: many ties
    assert auc(scores, correct) == pytest.approx(roc_auc_score(correct, scores))


def test_auc_of_one_class_is_undefined():
    assert auc([0.1, 0.9], [True, True]) is None


def test_auc_within_leaves_out_questions_of_one_class():
    """Question a is told apart, b is reversed, c has only wrong solutions."""
    groups = ["a", "a", "b", "b", "c", "c"]
    values = auc_within(groups, [0.9, 0.1, 0.2, 0.8, 0.0, 1.0], [True, False, True, False, False, False])
    assert values == [1.0, 0.0]


def test_pooled_auc_can_flatter():
    """A judge that only tells easy questions from hard ones: good pooled, worthless within."""
    groups = ["easy"] * 4 + ["hard"] * 4
    scores = [0.9] * 4 + [0.1] * 4
    correct = [True, True, True, False, True, False, False, False]
    assert auc(scores, correct) == 0.75
    assert sum(auc_within(groups, scores, correct)) / 2 == 0.5


def test_a_judge_that_orders_rightly_may_pay_next_to_nothing():
    """Question c has only wrong solutions and does not count."""
    groups, correct = ["a", "a", "a", "b", "b", "c"], [True, False, False, False, True, False]
    found = calibrate(groups, [Verdict(p) for p in (0.52, 0.5, 0.46, 0.49, 0.53, 0.9)], correct)
    assert found["auc_within"] == 1.0
    assert found["margin_within"] == pytest.approx((0.04 + 0.04) / 2)
    low, high = found["margin_within_ci95"] or (0.04, 0.04)
    assert low == pytest.approx(0.04) and high == pytest.approx(0.04)
    assert calibrate(["c"], [Verdict(0.9)], [False])["margin_within"] is None


def test_calibrate_counts_what_it_left_out_and_what_was_cut():
    verdicts = [Verdict(0.95, 0.1), Verdict(0.05, 0.3, truncated=True), Verdict(None), Verdict(0.55)]
    found = calibrate(["a", "a", "b", "b"], verdicts, [True, False, True, False])
    assert (found["n"], found["missing"], found["truncated"], found["questions"]) == (3, 1, 1, 2)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["accuracy_best"] == 1.0
    assert 0.55 <= found["threshold_best"] < 0.95
    assert found["off_label_mass"] == pytest.approx(0.4 / 3)
    assert found["ece"] == pytest.approx((0.05 + 0.05 + 0.55) / 3)
    assert sum(row["n"] for row in found["reliability"]) == 3
    assert sum(found["histogram"]["right"]) == 1
    assert sum(found["histogram"]["wrong"]) == 2


def test_best_accuracy_is_the_best_over_all_thresholds():
    rng = random.Random(1)
    correct = [rng.random() < 0.5 for _ in range(60)]
    scores = [rng.random() * 0.7 + 0.2 * c for c in correct]
    found = calibrate(["q"] * 60, [Verdict(s) for s in scores], correct)
    by_hand = max(sum((s > t) == c for s, c in zip(scores, correct, strict=True)) / 60 for t in [0.0, *scores, 1.0])
    assert found["accuracy_best"] == pytest.approx(by_hand)


def test_a_judge_that_was_never_reached_is_an_error():
    with pytest.raises(InputError, match="nothing to calibrate"):
        calibrate(["a"], [Verdict(None)], [True])


def test_figures_are_of_the_probability_whatever_is_paid():
    log_odds = [Verdict(score, probability=p) for score, p in ((2.2, 0.9), (-2.2, 0.1), (0.0, 0.4))]
    plain = [Verdict(p) for p in (0.9, 0.1, 0.4)]
    truth = [True, False, True]
    assert calibrate(["a"] * 3, log_odds, truth) == calibrate(["a"] * 3, plain, truth)


def test_parts_are_judged_apart():
    verdicts = [Verdict(0.9), Verdict(0.2), Verdict(0.9), Verdict(0.8), Verdict(None)]
    rows = breakdown(["x", "x", "y", "y", "y"], ["a", "a", "b", "b", "b"], verdicts, [True, False, False, True, True])
    assert [(r["part"], r["n"], r["accuracy"], r["auc_within"]) for r in rows] == [
        ("x", 2, 1.0, 1.0),
        ("y", 2, 0.5, 0.0),
    ]
    assert rows[1]["judge"] == pytest.approx(0.85)
    assert rows[0]["accuracy_ci95"][0] < 1.0


@pytest.mark.parametrize(
    ("lengths", "names"),
    [
        ([1, 2, 3, 4, 5, 6], ["at most 2"] * 2 + ["3 to 4"] * 2 + ["at least 5"] * 2),
        ([7, 7, 7], ["at most 7"] * 3),
        ([1, 2, 3], ["at most 1", "2", "at least 3"]),
    ],
)
def test_lengths_fall_into_thirds(lengths, names):
    assert by_length(lengths) == names


def test_phrasings_agree_where_they_are_on_one_side():
    verdicts = [Verdict(0.5, phrasings=pair) for pair in ((0.9, 0.7), (0.6, 0.2), (0.1, 0.3))]
    found = agreement(verdicts)
    assert found["same_side"] == pytest.approx(2 / 3)
    assert found["spread"] == pytest.approx(0.8 / 3)
    assert agreement([Verdict(0.5)]) is None


@pytest.mark.parametrize(
    ("within", "least", "weak"),
    [(0.9, 0.8, False), (0.8, 0.8, False), (0.7, 0.8, True), (0.1, None, False)],
)
def test_a_judge_may_be_too_weak(within, least, weak):
    found = {"auc_within": within, "auc_within_questions": 50, "n": 400, "missing": 0}
    assert bool(weakness(found, least)) == weak


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"auc_within": None, "auc_within_questions": 0}, "rests on 0 questions"),
        ({"auc_within_questions": 9}, "rests on 9 questions"),
        ({"n": 2, "missing": 398}, "no answer on 100% of the solutions"),
    ],
)
def test_a_gate_needs_something_to_rest_on(change, reason):
    found = {"auc_within": 1.0, "auc_within_questions": 50, "n": 400, "missing": 0}
    assert reason in weakness(found | change, 0.7)


@pytest.mark.parametrize(
    ("mass", "most", "least", "weak"),
    [
        (0.6, 0.5, None, True),
        (0.5, 0.5, None, False),
        (0.6, None, None, False),
        (0.6, None, 0.8, False),
        (0.6, 0.5, 0.8, True),
        (1.0, 1.0, None, False),
    ],
)
def test_a_judge_may_say_something_else_than_its_labels(mass, most, least, weak):
    found = {"off_label_mass": mass, "auc_within": 0.9, "auc_within_questions": 50, "n": 400, "missing": 0}
    reason = weakness(found, least, most)
    assert bool(reason) == weak
    if weak:
        assert "60% of the judge's probability is on other tokens than its label words, above 50%" in reason


def test_the_figures_leave_perturbed_problems_out_but_for_their_kinds():
    row = {"judge": 0.9, "off_label_mass": 0.0, "truncated": False, "probability": 0.9, "phrasings": []}
    row |= {"id": "a", "correct": True, "tokens": 5, "finished": True, "steps": 2, "kind": None}
    rows = [row, row | {"correct": False, "judge": 0.1, "probability": 0.1}]
    rows += [row | {"id": "b", "kind": "digit expansion", "correct": False}]
    found = judge_report(rows)
    assert (found["n"], found["accuracy"]) == (2, 1.0)
    assert {part["part"]: part["accuracy"] for part in found["by_kind"]} == {"as drawn": 1.0, "digit expansion": 0.0}
    assert found["by_steps"][0]["part"] == "2"


def test_intervals_are_over_questions():
    """Ten solutions of a question that are all alike are one piece of evidence."""
    from gavel.stats.intervals import wilson

    groups = [name for name in "abcdefgh" for _ in range(10)]
    correct = [group in "abcdef" for group in groups]
    verdicts = [Verdict(0.9) for _ in groups]
    found = calibrate(groups, verdicts, correct)
    low, high = found["accuracy_ci95"]
    narrow_low, narrow_high = wilson(60, 80)
    assert low < narrow_low - 0.1
    assert high > narrow_high
    assert found["auc_within_ci95"] is None


@pytest.fixture
def gate(tmp_path):
    """Runs the rule's script on a calibration and a signal; returns whether the gate has opened."""

    def run(found: dict, least: float | None = None, most: float | None = None, weak: str | None = None, stops=None):
        write_json(tmp_path / "calibration.json", found)
        write_json(tmp_path / "signal.json", {"weak": weak})
        out, log = tmp_path / "gate.json", tmp_path / "logs" / "gate.log"
        stops = ["judge.on_weak_judge", "rl.signal.on_weak"] if stops is None else stops
        workflow = SimpleNamespace(
            log=[str(log)],
            params=SimpleNamespace(stops=stops, min_within_auc=least, max_off_label=most),
            input=SimpleNamespace(calibration=str(tmp_path / "calibration.json"), signal=str(tmp_path / "signal.json")),
            output=SimpleNamespace(gate=str(out)),
        )
        out.unlink(missing_ok=True)
        with suppress(SystemExit):
            runpy.run_path(str(SCRIPTS / "gate_rl.py"), init_globals={"snakemake": workflow})
        return out.exists()

    return run


GOOD = {"off_label_mass": 0.01, "auc_within": 0.9, "auc_within_questions": 50, "n": 400, "missing": 0}


def test_the_gate_stops_a_judge_that_hardly_answers(gate, capfd):
    assert not gate(GOOD | {"off_label_mass": 0.8}, None, 0.5)
    assert "80% of the judge's probability is on other tokens" in capfd.readouterr().err
    assert not gate(GOOD, 0.95, 0.5)
    assert gate(GOOD, None, 0.5)
    assert gate(GOOD | {"off_label_mass": 0.8}, 0.7, None)


def test_the_gate_stops_a_study_without_signal_and_only_where_the_config_says_so(gate, capfd):
    assert not gate(GOOD, weak="nothing to learn")
    assert "nothing to learn; RL is not run (rl.signal.on_weak: stop)" in capfd.readouterr().err
    assert gate(GOOD, 0.95, weak="nothing to learn", stops=[])


def test_error_rates_are_counts_and_youdens_j_their_difference():
    groups = ["a", "a", "b", "b", "c", "c", "d"]
    accepted = [True, False, True, True, False, True, False]
    correct = [True, True, True, False, False, False, False]
    found = error_rates(groups, accepted, correct)
    assert found["tpr"] == pytest.approx(2 / 3)
    assert found["fpr"] == pytest.approx(2 / 4)
    assert found["youden_j"] == pytest.approx(2 / 3 - 2 / 4)
    for name in ("tpr", "fpr", "youden_j"):
        low, high = found[f"{name}_ci95"]
        assert low <= found[name] <= high


def test_without_correct_responses_there_is_no_tpr_and_no_j():
    found = error_rates(["a", "b"], [True, False], [False, False])
    assert found["fpr"] == 0.5
    assert (found["tpr"], found["youden_j"], found["youden_j_ci95"]) == (None, None, None)
