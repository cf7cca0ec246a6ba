"""The pairwise judge: both orders, no solution asked about twice, its reward, and how it is reported."""

import json
import random
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
import yaml

from gavel.cli import judge_files
from gavel.cli.main import main
from gavel.common.errors import InputError
from gavel.common.files import read_jsonl, write_jsonl
from gavel.common.paths import ROOT
from gavel.judge import load as judge_load
from gavel.judge.backends.base import Backend, LabelProbabilities
from gavel.judge.pairwise import PairwiseJudge
from gavel.judge.ratings import bradley_terry, expected_score, win_rates
from gavel.judge.single_token import SingleTokenJudge
from gavel.judge.tournaments import best_of_each
from gavel.judge.verdict import Comparer, ComparisonSummary, Usage, Verdict
from gavel.judge_eval import probes, verdicts
from gavel.judge_eval.calibration import breakdown, calibrate, judge_report, position_bias, summary_line
from gavel.judge_eval.records import VerdictRow
from gavel.judge_eval.verdicts import _judged
from gavel.models.loading import Student
from gavel.models.task import Task
from gavel.report.baseline import BASELINES
from gavel.report.sections.judge import calibration_table, part_tables, probe_table
from gavel.report.sections.summary_sentences import collapses
from gavel.stats.auc import auc_within
from gavel.training.rl.rewards import LambdaSchedule, MissingRewards, MixedReward, RewardRules
from helpers.judge_scores import scores_of
from helpers.typed_rows import assert_typed


class ByRule(Backend):
    """Answers by a rule on the two solutions, which are numbers; counts its calls and prompts."""

    identity = "by rule"

    def __init__(self, first_wins, missing=()):
        self.first_wins, self.missing = first_wins, missing
        self.asked, self.groups, self.calls = [], [], 0

    def answers(self, texts, groups):
        self.calls += 1
        self.asked += texts
        pairs = [[float(part) for part in text.split("\n")[2:5:2]] for text in texts]
        self.groups += groups
        return [self._answer(*pair) for pair in pairs]

    def _answer(self, first, second):
        if {first, second} & {*self.missing}:
            return None
        won = self.first_wins(first, second)
        return LabelProbabilities(0.9 * won, 0.9 * (1 - won))


def larger(a, b):
    """Larger numbers are better, by odds that grow with the difference."""
    return 1 / (1 + 10 ** (b - a))


def make(rule=larger, missing=(), **settings):
    return PairwiseJudge(ByRule(rule, missing), **settings)


def test_prompts_show_the_solutions_in_their_places():
    assert make().render("Why?", "one", "two") == [
        "Question: Why?\nAnswer A:\none\nAnswer B:\ntwo\nThe better answer is answer"
    ]
    (instructed,) = make(prompt="pairwise-instruct").render("Why?", "one", "two")
    assert instructed.endswith("Answer with one word, A or B.")


def test_a_win_rate_is_over_the_group_and_both_orders():
    """A leaning to whatever stands first cancels where it is the same for all."""
    for rule in (larger, lambda a, b: min(1, larger(a, b) + 0.05)):
        found = make(rule).verdicts(["q", "q", "q"], ["0.1", "0.2", "0.4"])
        rates = [(larger(0.1, 0.2) + larger(0.1, 0.4)) / 2, (larger(0.2, 0.1) + larger(0.2, 0.4)) / 2]
        assert [v.score for v in found] == pytest.approx([*rates, 1.5 - sum(rates)])
        assert [v.probability for v in found] == [v.score for v in found]
        assert [v.off_label for v in found] == pytest.approx([0.1] * 3)
        assert [v.says_right for v in found] == [None] * 3


def test_a_group_costs_both_orders_of_each_pair_of_different_solutions():
    judge = make()
    solutions = ["1", "2", "3", "2", "4", "5"]
    found = judge.verdicts(["q"] * 6 + ["other"] * 2, [*solutions, "1", "2"])
    assert len(judge.backend.asked) == len(set(judge.backend.asked)) == judge.usage.prompts == 5 * 4 + 2
    assert judge.backend.calls == 1, "a round is one set of passes"
    beginnings: dict = {}
    for text, group in zip(judge.backend.asked, judge.backend.groups, strict=True):
        beginnings.setdefault(group, set()).add(text.split("Answer B")[0])
    assert sorted(map(len, beginnings.values())) == [1] * 5 + [2], "of two solutions only the question is alike"
    assert found[1] == found[3]
    assert sum(v.score for v in found[:6]) == pytest.approx(3.0)
    # Its equal counts as half a win.
    others = [larger(2, x) for x in (1, 3, 4, 5)]
    assert found[1].score == pytest.approx((sum(others) + 0.5) / 5)


def test_equal_solutions_tie_and_one_alone_is_not_judged():
    judge = make()
    equal = judge.verdicts(["q"] * 3 + ["alone"], ["7"] * 4)
    assert [v.score for v in equal] == [0.5, 0.5, 0.5, None]
    assert equal[0].compared == ComparisonSummary(0, 0.5, 0.0)
    assert judge.backend.asked == []


def test_elo_is_the_chance_against_an_average_solution():
    questions, solutions = ["q"] * 4, ["0.3", "0.1", "0.9", "0.4"]
    rates, elo = (make(score=score).verdicts(questions, solutions) for score in ("win-rate", "elo"))
    table = torch.tensor([[larger(float(a), float(b)) for b in solutions] for a in solutions]).numpy()
    assert [v.score for v in elo] == pytest.approx(expected_score(bradley_terry(table)).tolist(), abs=1e-6)
    assert [v.probability for v in elo] == pytest.approx(win_rates(table).tolist(), abs=1e-6)
    order = sorted(range(4), key=lambda i: rates[i].score)
    assert order == sorted(range(4), key=lambda i: elo[i].score)
    assert all(0 < v.score < 1 for v in elo)


def test_a_solution_that_cannot_be_asked_about_leaves_the_others_their_scores():
    found = make(missing=[2.0]).verdicts(["q"] * 4, ["1", "2", "3", "4"])
    assert [v.score is None for v in found] == [False, True, False, False]
    assert found[3].score == pytest.approx((larger(4, 1) + larger(4, 3)) / 2)
    assert found[3].compared.opponents == 2
    both = make(missing=[2.0], score="elo").verdicts(["q", "q"], ["1", "2"])
    assert [v.score for v in both] == [None, None]


@pytest.mark.parametrize(("kind", "problems"), [("single-token", 200), ("pairwise", 50)])
def test_a_judge_that_compares_is_tried_on_the_probes_of_fewer_problems(kind, problems, monkeypatch, tmp_path):
    rows = [{"id": f"v{i}", "question": f"How many are {i} + {i + 1}?", "gold": str(2 * i + 1)} for i in range(300)]
    write_jsonl(
        tmp_path / "validation.jsonl", [row | {"solution": f"{row['gold']}\n#### {row['gold']}"} for row in rows]
    )
    drawn = [[SimpleNamespace(text="#### 1", ids=[1], finished=True)] for _ in rows]
    policy = SimpleNamespace(solve=lambda *_, **__: drawn)
    monkeypatch.setattr(verdicts, "Policy", SimpleNamespace(load=lambda *_: policy))
    monkeypatch.setattr(verdicts.load, "load", lambda **_: None)
    monkeypatch.setattr(verdicts, "_judged", lambda rows, *_: rows)
    verdicts.judge_policy(
        model="m",
        student=Student(),
        task=Task("solve", "text", 8),
        judge_settings={"kind": kind},
        problems=[tmp_path / "validation.jsonl"],
        samples=1,
        temperature=1.0,
        output=str(tmp_path / "calibration.jsonl"),
        probes_output=str(tmp_path / "probes.jsonl"),
    )
    assert len({row["id"] for row in read_jsonl(tmp_path / "calibration.jsonl")}) == 300
    tried = list(read_jsonl(tmp_path / "probes.jsonl"))
    assert len({row["id"] for row in tried}) == problems and len(tried) == 10 * problems


def test_what_a_judge_can_do_is_said_by_its_interface():
    single = SingleTokenJudge(ByRule(larger))
    assert isinstance(make(), Comparer) and not isinstance(single, Comparer)
    assert make().reasoner is None
    assert Usage(5, 40, 3, 2).since(Usage(1, 30, 3)) == (4, 10, 0, 2)
    assert Usage(5, 40, 3).tokens == 43


def test_position_bias_is_told():
    """One judge always takes the first; another takes the larger, and leans to the first by 0.05."""
    questions, solutions, correct = ["q"] * 3, ["0.1", "0.2", "0.4"], [False, True, True]
    for rule, bias, flips in ((lambda a, b: 1.0, 0.5, 1.0), (lambda a, b: larger(a, b) + 0.05, 0.05, 0.0)):
        found = position_bias(make(rule).verdicts(questions, solutions))
        assert found == pytest.approx({"opponents": 2.0, "first_bias": bias, "flipped": flips})
    # 0.1 against 0.2 is closer than the leaning, the other two pairs are not.
    mixed = position_bias(make(lambda a, b: larger(a, b) + 0.1).verdicts(questions, solutions))
    assert mixed["flipped"] == pytest.approx(1 / 3)
    assert position_bias([Verdict(0.5)]) is None
    assert position_bias(make().verdicts(["q"] * 2, ["1", "1"]))["flipped"] is None
    assert "position bias +0.100, 33.3% of pairs flip" in summary_line(
        calibrate(questions, make(lambda a, b: larger(a, b) + 0.1).verdicts(questions, solutions), correct)
    )


def test_only_figures_within_questions_are_given():
    rng = random.Random(0)
    rows = [(f"q{i % 5}", f"{rng.random():.3f}") for i in range(40)]
    questions, solutions = zip(*sorted(rows), strict=True)
    correct = [float(solution) > 0.6 for solution in solutions]
    verdicts = make().verdicts(questions, solutions)
    found = calibrate(questions, verdicts, correct)
    assert [found[key] for key in ("accuracy", "accuracy_ci95", "auc", "ece", "threshold_best")] == [None] * 5
    assert found["auc_within"] == 1.0
    assert set(auc_within(questions, [v.score for v in verdicts], correct)) == {1.0}
    assert found["comparisons"]["opponents"] == pytest.approx(7)
    assert breakdown(["all"] * 40, questions, verdicts, correct)[0]["accuracy"] is None
    shown = {row[0].text: row[1].text for row in calibration_table(found).rows}
    assert shown["order-inconsistency rate"] == "0.000"
    assert "accuracy at 0.5" not in shown and "AUC, all pairs" not in shown


def test_a_monitor_that_saw_no_scores_calls_nothing():
    """As where the judge's server was down at every validation."""
    tables = {"grpo": pd.DataFrame({"step": [0, 5], "accuracy": [0.5, 0.1]})}
    common = {"baseline": BASELINES["sft"], "collapse": lambda run: None}
    results = SimpleNamespace(monitors=tables, names={"grpo": "GRPO"}, **common)
    assert collapses(results).startswith("The monitor could not detect a collapse")
    tables["grpo"]["judge"] = [0.4, 0.6]
    assert collapses(results) == "The monitor flagged no collapse."


def test_rows_written_and_read_again_say_the_same():
    texts = ["def solution():\n    return 2", "def solution():\n    return 3", "def solution():\n    return 4"]
    rule = make(lambda a, b: 0.7)
    rule.templates = ["{question}\n\n{first}\n\n{second}"]
    rule.backend.answers = lambda asked, groups: [LabelProbabilities(0.7, 0.2) for _ in asked]
    asked = [{"id": "1", "question": "1+1?", "response": text, "gold": "2", "kind": None} for text in texts]
    rows = [row | {"tokens": 5, "finished": True, "steps": 1} for row in _judged(asked, rule, "program")]
    assert rows[0]["says_right"] is None
    assert_typed(rows, VerdictRow)
    found = judge_report(json.loads(json.dumps(rows)))
    direct = calibrate(["1"] * 3, rule.verdicts(["1+1?"] * 3, texts), [True, False, False])
    assert (
        found["comparisons"]
        == direct["comparisons"]
        == pytest.approx({"opponents": 2.0, "first_bias": 7 / 9 - 0.5, "flipped": 1.0})
    )
    assert part_tables(found)[0][1].rows[0][3].text == "–"
    tricks = probes.summary([row | {"probe": "claim"} for row in rows])
    assert tricks[0]["rewarded"] is None
    assert probe_table({"probes": tricks}).rows[0][-1].text == "–"


def best(judge, question, solutions):
    (place,) = best_of_each(judge, [question], [solutions])
    return place


def test_the_best_of_many_takes_n_minus_1_comparisons():
    solutions = [str(i) for i in (3, 1, 4, 1, 5, 9, 2, 6, 5, 9)]
    judge = make()
    assert best(judge, "q", solutions) == 5
    assert len(judge.backend.asked) == 2 * (7 - 1)  # seven are different
    assert judge.backend.calls == 3
    mixed = random.Random(0).sample(solutions, 10)
    assert mixed[best(make(), "q", mixed)] == "9"
    assert best(make(), "q", ["8"]) == 0
    with pytest.raises(ValueError, match="without solutions"):
        best(make(), "q", [])


def test_the_best_of_many_questions_shares_rounds():
    judge = make()
    assert best_of_each(judge, ["a", "b", "c"], [["1", "3", "2"], ["1"], ["5", "6", "7", "8"]]) == [1, 0, 3]
    assert judge.backend.calls == 2
    assert best_of_each(make(missing=[3.0]), ["a", "c"], [["1", "3", "2"], ["5", "6"]]) == [None, 1]


def test_the_best_by_a_judge_of_single_solutions_is_its_highest(tiny, rows):
    single = judge_load.load(model=tiny)
    question, solutions = rows[0]["question"], [row["program"] for row in rows[:6]]
    scores = scores_of(single, [question] * 6, solutions)
    assert best(single, question, solutions) == scores.index(max(scores))


def test_it_is_paid_beside_a_verifiable_reward():
    reward = MixedReward(LambdaSchedule(0.5), make(), RewardRules("text"), MissingRewards(0.5))
    rewards = reward(["1", "2", "3", "4"], ["a", "a", "b", "b"], ["2", "2", None, None])
    assert rewards == pytest.approx([0.05 + larger(1, 2) / 2, 0.5 + larger(2, 1) / 2, larger(3, 4), larger(4, 3)])


LABELS = (" Yes", " No")  # words that the tiny tokenizer has


@pytest.fixture
def group(rows):
    programs = [rows[0]["program"].replace("0", str(i)) + f"\n# {i}" for i in range(4)]
    return [rows[0]["question"]] * 4, programs


def load(tiny, **settings):
    return judge_load.load(kind="pairwise", model=tiny, **({"labels": LABELS} | settings))


def probability(judge, text):
    with torch.no_grad():
        logits = judge.backend.model(**judge.backend.tokenizer(text, return_tensors="pt")).logits[0, -1]
    first, second = torch.softmax(logits.double(), -1)[judge.backend.labels].tolist()
    return first / (first + second)


def test_a_real_model_is_asked_for_the_first_label_in_both_orders(tiny, group):
    (question, *_), (a, b, *_) = group
    judge = load(tiny)
    (held,) = judge.compare([(question, a, b)])
    ahead, behind = (probability(judge, judge.render(question, *order)[0]) for order in ((a, b), (b, a)))
    assert held.probability == pytest.approx((ahead + 1 - behind) / 2, rel=1e-5)
    assert held.first == pytest.approx((ahead + behind) / 2, rel=1e-5)


def test_scores_of_a_real_model_do_not_depend_on_batches_or_order(tiny, group):
    questions, solutions = group
    scores = scores_of(load(tiny), questions, solutions)
    assert scores_of(load(tiny, batch_tokens=1), questions, solutions) == pytest.approx(scores, abs=1e-5)
    assert scores_of(load(tiny, reuse=False), questions, solutions) == pytest.approx(scores, abs=1e-5)
    assert scores_of(load(tiny), questions, solutions[::-1])[::-1] == pytest.approx(scores, abs=1e-5)


def test_phrasings_are_averaged(tiny, group, tmp_path):
    questions, solutions = group
    other = tmp_path / "other.txt"
    other.write_text("{second}\nand before it\n{first}\nfor {question}: {labels}?")
    each = [scores_of(load(tiny, prompt=name), questions, solutions) for name in ("pairwise", str(other))]
    both = scores_of(load(tiny, prompt=["pairwise", str(other)]), questions, solutions)
    assert both == pytest.approx([(x + y) / 2 for x, y in zip(*each, strict=True)], abs=1e-5)


def test_answers_are_kept_in_the_judges_cache(tiny, group, tmp_path):
    path = str(tmp_path / "answers.sqlite")
    scores = scores_of(load(tiny, cache=path), *group)
    again = load(tiny, cache=path)
    assert scores_of(again, *group) == scores
    assert again.usage == (12, 0, 0, 12)
    single = judge_load.load(model=tiny, cache=path)
    single.verdicts(*group)
    assert single.usage.cached == 0


def test_long_prompts_are_counted_as_cut(tiny, group):
    assert all(verdict.truncated for verdict in load(tiny, max_tokens=12).verdicts(*group))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"score": "log-odds"}, "'log-odds' does not exist; choose one of win-rate, elo"),
        ({"labels": "A"}, "give two words, for the first and for the second solution"),
        ({"labels": (" Firstly", " No")}, "' Firstly' is not one token"),
        ({"swap_labels": True}, "a pairwise judge swaps the solutions instead"),
        ({"prompt": "judge"}, r"no slot \{first\}"),
    ],
)
def test_wrong_settings_are_named(tiny, settings, message):
    with pytest.raises(InputError, match=message):
        load(tiny, **settings)


@pytest.fixture
def study(tiny, tmp_path):
    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    raw["judge"] = {"kind": "pairwise", "model": tiny, "prompting": {"labels": list(LABELS)}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(raw))
    return str(tmp_path / "study.yaml")


def test_gavel_judge_gives_what_can_be_said_of_it(study, tiny, group, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(judge_files, "BATCH", 2)  # a batch goes on to the end of its question
    path = tmp_path / "judged.jsonl"
    lines = [
        {"question": name, "response": text, "correct": i % 2 == 0}
        for name in ("1+1?", "2+2?")
        for i, text in enumerate(group[1])
    ]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    assert main(["judge", str(path), "--judge", study, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    scores = scores_of(load(tiny), [r["question"] for r in lines], [r["response"] for r in lines])
    within = auc_within([r["question"] for r in lines], scores, [r["correct"] for r in lines])
    assert found["auc_within"] == pytest.approx(sum(within) / 2)
    assert (found["n"], found["accuracy"], found["auc"], found["ece"]) == (8, None, None, None)
    assert found["opponents"] == 3
    assert -0.5 <= found["first_bias"] <= 0.5
    assert 0 <= found["flipped"] <= 1
    assert main(["judge", str(path), "--judge", study]) == 0
    assert "accuracy              undefined" in capsys.readouterr().out

    path.write_text("\n".join(map(json.dumps, [lines[0], lines[1], lines[4], lines[5], lines[2], lines[3]])) + "\n")
    assert main(["judge", str(path), "--judge", study]) == 2
    assert "the rows of '1+1?' are not consecutive" in capsys.readouterr().err
    path.write_text(json.dumps(lines[0]) + "\n")
    assert main(["judge", str(path), "--judge", study]) == 2
    assert "for a pairwise judge that questions have several solutions" in capsys.readouterr().err
