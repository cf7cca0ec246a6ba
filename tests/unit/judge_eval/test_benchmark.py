"""The judge benchmark: its part of validation, kinds of error, pairs, what judges are asked, and their metrics."""

import csv
import itertools
import json
import random
from collections import Counter

import pytest

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl, write_jsonl
from gavel.judge import load as judge_load
from gavel.judge.backends.base import Backend, LabelProbabilities
from gavel.judge.pairwise import PairwiseJudge
from gavel.judge.verdict import Judge, Usage, Verdict
from gavel.judge_eval.benchmark import ask, check
from gavel.judge_eval.benchmark_metrics import COLUMNS, compute_metrics, curve, summary_line, write_table
from gavel.judge_eval.pairs import COLUMNS as ITEM_COLUMNS
from gavel.judge_eval.pairs import Source, make_items, pairs, questions_of, split
from gavel.judge_eval.records import PairItem
from gavel.models.loading import Student
from gavel.models.task import Task
from gavel.solutions.error_kinds import KINDS, error_kind
from gavel.solutions.mistakes import corrupt_solution, references
from gavel.stats.intervals import clustered_mean
from gavel.study import params
from gavel.study.rules import RULES
from gavel.study.schema.study import load
from helpers.judge_scores import scores_of
from helpers.typed_rows import assert_typed


def program(*steps, result="result"):
    return "\n".join(["def solution():", *(f"    {step}" for step in steps), f"    return {result}"])


REFERENCE = program("a = 6*10", "b = a-18", "result = b+47")


def test_the_benchmark_is_the_end_of_the_file_and_leaves_as_much():
    rows = [{"id": str(i)} for i in range(10)]
    selection, benchmark = split(rows, 4)
    assert [row["id"] for row in benchmark] == ["6", "7", "8", "9"]
    assert selection + benchmark == rows
    assert [len(part) for part in split(rows, 5)] == [5, 5]
    with pytest.raises(InputError, match=r"questions: 6 of 10 .* leave 4 .* at most 5, or raise data.validation to 12"):
        split(rows, 6)


@pytest.mark.parametrize(
    ("wrong", "answer", "kind"),
    [
        (program("a = 6*10", "b = a-", "result = b+47"), None, "no answer"),
        (program("a = 6*10", "result = a+47"), "107", "fewer steps"),
        (program("a = 6*10", "b = a-18", "c = b+1", "result = c+47"), "90", "more steps"),
        (program("a = 6*10", "b = 18-a", "result = b+47"), "5", "other order"),
        (program("a = 6*10", "b = a+47", "result = b-18"), "89", "other order"),
        (program("a = 6+10", "b = a-18", "result = b+47"), "45", "other operation"),
        (program("a = 6*10", "b = a-19", "result = b+47"), "88", "other number"),
        (program("a = 6*10", "b = a-18", "result = a+47"), "107", "other number"),
        (program("a = 6*10", "b = a/20", "result = b+47"), "50", "operation and number"),
        (program("a = 6*10", "b = a-18", "result = b+47", result="b"), "42", "other result"),
        # Names and the order of what may be turned are no difference.
        (program("x = 10*6", "y = x-18", "result = 47*y"), "1974", "other operation"),
    ],
)
def test_kinds_of_error_of_programs(wrong, answer, kind):
    assert error_kind(wrong, REFERENCE, answer, "program") == kind
    assert kind in KINDS


@pytest.mark.parametrize(
    ("wrong", "answer", "kind"),
    [
        ("He has 3 + 4 = 7 eggs.\nHe sells 2, so 5 are left.", None, "no answer"),
        ("He has 3 + 4 = 7 eggs.\n#### 7", "7", "fewer steps"),
        ("He has 3 + 4 = 7 eggs.\nHe sells 2.\nThen 5 are left.\n#### 6", "6", "more steps"),
        ("He has 3 + 4 = 8 eggs.\nHe sells 2, so 6 are left.\n#### 6", "6", "other number"),
        ("He has 3 + 4 = 7 eggs.\nHe buys 2, so he has 9.\n#### 9", "9", "other wording"),
    ],
)
def test_kinds_of_error_of_texts(wrong, answer, kind):
    reference = "He has 3 + 4 = 7 eggs.\nHe sells 2, so 5 are left.\n#### 5"
    assert error_kind(wrong, reference, answer, "text") == kind
    assert kind in KINDS


def test_hostile_text_costs_no_time():
    for text in ("(" * 100_000, "a = " * 50_000, "1" * 100_000, "a = b\n" * 50_000):
        error_kind(text, REFERENCE, "1", "program")
        error_kind(text, REFERENCE, "1", "text")


def test_spoilt_references_differ_and_are_bounded():
    made = corrupt_solution(REFERENCE, "89", "program", 4, random.Random(0), question="Q?")
    assert len(set(made)) == 4
    assert REFERENCE not in made
    assert corrupt_solution(program("result = 5"), "5", "program", 4, random.Random(0), question="Q?") == []
    text = "3 * 6 = <<3*6=18>>18\nand 18 - 3 = <<18-3=15>>15, not 115 or 15.5\n#### 15"
    made = corrupt_solution(text, "15", "text", 3, random.Random(0), question="Q?")
    assert len(set(made)) == 3
    for one in made:
        number = one.rpartition("#### ")[2]
        assert number != "15"
        assert one == text.replace("=15>>15,", f"={number}>>{number},").replace("#### 15", f"#### {number}")


def problem(identity, solution="6*10=<<6*10=60>>60\n#### 60", gold="60"):
    return {"id": identity, "question": f"Question {identity}?", "solution": solution, "gold": gold}


def test_problems_without_a_reference_are_passed_over():
    rows = [problem("a"), problem("b", solution=None), problem("c", gold="None"), problem("d", "sixty\n#### 60")]
    assert references(rows, "program") == {"a": program("result = 6*10")}
    assert list(references(rows, "text")) == ["a", "d"]


def solutions(wrongs):
    """A right solution by three policies, and wrong ones (kind of error, policy)."""
    texts = {
        "other operation": "    result = 6+10",
        "other number": "    result = 6*11",
        "fewer steps": "",
        "more steps": "    a = 6*11\n    result = a-1",
    }
    found = [("sft", "def solution():\n    result = 10*6\n    return result"), ("reference", program("result = 6*10"))]
    for kind, policy in wrongs:
        tail = "\n    return result" if texts[kind] else "    return 7"
        found.append((policy, f"def solution():\n{texts[kind]}{tail}"))
    return found


def test_pairs_are_right_and_wrong_balanced_and_bounded():
    rows = [problem(f"p{i}") for i in range(12)]
    # All have a wrong operation; few have anything else.
    wrongs = {row["id"]: [("other operation", "spoilt")] for row in rows}
    for i in (0, 1):
        wrongs[f"p{i}"] = [*wrongs[f"p{i}"], ("other number", "sft"), ("more steps", "sft"), ("fewer steps", "sft")]
    drawn = {identity: solutions(own) for identity, own in wrongs.items()}
    found = pairs(rows, references(rows, "program"), drawn, "program", most=2)
    assert found == pairs(rows, references(rows, "program"), drawn, "program", most=2)
    assert all(tuple(item) == ITEM_COLUMNS for item in found)
    each = Counter(item["prompt"] for item in found)
    assert max(each.values()) == 2
    assert len(each) == 12
    kinds = Counter(item["subset"] for item in found if item["prompt"] in ("Question p0?", "Question p1?"))
    assert "other operation" not in kinds, "what is rare elsewhere is taken where it is"
    assert len({item["id"] for item in found}) == len(found) == 14
    assert abs(sum((item["chosen_model"] == "sft") - 0.5 for item in found)) <= 1, "right ones by all policies in turn"
    for item in found:
        assert item["chosen"].replace("10*6", "6*10") == program("result = 6*10")
        assert item["steps"] == 1
        reference = references(rows, "program")["p0"]
        assert item["subset"] == error_kind(item["rejected"], reference, "7", "program")


def test_a_text_of_several_policies_counts_once_and_injected_errors_may_be_right():
    rows = [problem("a")]
    reference = program("result = 6*10")
    drawn = {
        "a": [("student", program("result = 7*10")), ("spoilt", program("result = 7*10")), ("reference", reference)]
    }
    drawn["a"].append(("spoilt", program("result = 10*6")))
    (item,) = pairs(rows, references(rows, "program"), drawn, "program", most=4)
    assert (item["rejected_model"], item["rejected"]) == ("student", program("result = 7*10"))
    with pytest.raises(InputError, match="none of 1 questions has both"):
        pairs(rows, references(rows, "program"), {"a": [("reference", reference)]}, "program", most=4)


def test_pairs_of_letters():
    rows = [problem("a", "Plants take it up.\nThe answer is (B).", "B")]
    drawn = {"a": [("sft", "answer: b"), ("sft", "Plants take it up.\nThe answer is (C)."), ("student", "A or B")]}
    found = pairs(rows, references(rows, "text"), drawn, "text", most=2, answer_type="choice")
    assert {item["subset"]: item["rejected"] for item in found} == {
        "other choice": "Plants take it up.\nThe answer is (C).",
        "no answer": "A or B",
    }
    assert {item["chosen"] for item in found} == {"answer: b"}


def test_items_come_from_the_benchmarks_part_of_validation(tiny, rows, tmp_path, capsys):
    path, out = tmp_path / "validation.jsonl", tmp_path / "items.jsonl"
    write_jsonl(path, rows[:24])

    def made(questions=8, **changes):
        make_items(
            rows=questions_of(str(path), "benchmark", questions),
            sources=[Source("student", tiny), Source("sft", tiny, greedy="sft-greedy")],
            student=Student(),
            task=Task("solve", "program", 12),
            temperature=1.0,
            output=str(out),
            **({"samples": 3, "most": 3, "seed": 0} | changes),
        )
        return list(read_jsonl(out))

    items = made()
    assert_typed(items, PairItem)
    assert all(list(item) == list(ITEM_COLUMNS) for item in items)
    assert {item["prompt"] for item in items} <= {row["question"] for row in rows[16:24]}
    # Both policies are one, whose samples come first; random weights solve nothing.
    assert {item["rejected_model"] for item in items} == {"student", "sft-greedy", "spoilt"}
    assert {item["chosen_model"] for item in items} == {"reference"}
    assert max(Counter(item["prompt"] for item in items).values()) == 3
    assert capsys.readouterr().err.endswith(f" {len(items)} pairs from 8 of 8 questions\n")
    assert made() == items != made(seed=1)
    with pytest.raises(InputError, match="13 of 24 validation problems"):
        made(questions=13)


class Scorer(Judge):
    """A judge of single solutions: their numbers are the probabilities; 'silence' gets no answer."""

    def __init__(self, score=float):
        self.score, self.asked, self.spent = score, [], Usage(3, 100, 7)

    @property
    def usage(self):
        return self.spent

    def verdicts(self, questions, solutions):
        self.asked += zip(questions, solutions, strict=True)
        n = len(solutions)
        self.spent = Usage(self.spent.prompts + n, self.spent.read + 10 * n, self.spent.written + n)
        known = [None if text == "silence" else float(text) for text in solutions]
        return [Verdict(p if p is None else self.score(p), probability=p) for p in known]


def item(identity, prompt, chosen, rejected, subset="other number", steps=2, by="sft"):
    about = (identity, prompt, chosen, rejected, "reference", by, subset, steps)
    return dict(zip(ITEM_COLUMNS, about, strict=True))


ITEMS = [
    item("a-0", "a", "0.9", "0.1", steps=10),
    item("a-1", "a", "0.9", "0.95", "no answer", steps=10, by="student"),
    item("b-0", "b", "0.4", "0.4"),
    item("b-1", "b", "0.6", "0.4", "no answer"),
    item("c-0", "c", "0.7", "silence"),
]


def test_a_judge_of_single_solutions_scores_each_once_and_prefers_by_score():
    judge = Scorer()
    rows, cost = ask(judge, ITEMS)
    assert judge.asked == [
        ("a", "0.9"), ("a", "0.1"), ("a", "0.95"), ("b", "0.4"), ("b", "0.6"), ("c", "0.7"), ("c", "silence")
    ]  # fmt: skip
    assert [row["preferred"] for row in rows] == [1, 0, 0.5, 1, None]
    assert rows[3] == {"id": "b-1", "chosen": 0.6, "rejected": 0.4, "preferred": 1.0}
    seconds = cost.pop("seconds")
    assert cost == {"prompts": 7, "tokens_read": 70, "tokens_written": 7}
    assert 0 <= seconds < 1
    hard, _ = ask(Scorer(score=lambda p: float(p > 0.5)), ITEMS)
    assert hard == rows, "what a score makes of the probability is the reward's business"


def test_a_judge_that_leaves_too_much_unanswered_has_no_figures():
    check([{"preferred": value} for value in (1, 0, 1, None)])
    with pytest.raises(InputError, match="gave no answer on 2 of 4 pairs"):
        check([{"preferred": value} for value in (1, None, 1, None)])


class Numbers(Backend):
    """A back end that prefers the larger number, and leans to the first."""

    identity, tokens_read = "by rule", 0

    def answers(self, texts, groups):
        self.tokens_read += 5 * len(texts)
        shown = [[float(part) for part in text.split("\n")[2:5:2]] for text in texts]
        first = [min(1.0, 0.5 + a - b + 0.1) for a, b in shown]
        return [None if 0.0 in pair else LabelProbabilities(p, 1 - p) for p, pair in zip(first, shown, strict=True)]


def test_a_judge_that_compares_is_asked_about_the_pairs():
    judge = PairwiseJudge(Numbers())
    asked = [
        item("a-0", "a", "0.5", "0.3"),
        item("a-1", "a", "0.3", "0.35"),
        item("b-0", "b", "0.4", "0.4"),
        item("b-1", "b", "0.9", "0"),
        item("b-2", "b", "0.5", "0.3"),
        item("a-2", "a", "0.5", "0.3"),
    ]
    rows, cost = ask(judge, asked)
    assert judge.usage.prompts == cost["prompts"] == 2 * 4, "equal solutions and equal pairs are not asked about again"
    assert cost["tokens_read"] == 40
    assert [row["preferred"] for row in rows] == [
        pytest.approx(v) if v else None for v in (0.7, 0.45, 0.5, None, 0.7, 0.7)
    ]
    assert [row["flipped"] for row in rows] == [False, True, None, None, False, False]
    assert rows[0]["chosen"] is rows[0]["rejected"] is None
    whole = compute_metrics(asked, rows, cost)[0]
    assert whole["accuracy"] == pytest.approx(3.5 / 5)
    assert (whole["auc"], whole["auc_within"], whole["missing"]) == (None, None, 1)
    assert whole["first_bias"] == pytest.approx(0.1)
    assert whole["flipped"] == pytest.approx(1 / 4)


def test_figures_are_those_of_brute_force():
    rng = random.Random(0)
    items, scores = [], {}
    for number in range(300):
        question = f"q{rng.randrange(40)}"
        texts = [f"{question} right {rng.randrange(3)}", f"{question} wrong {rng.randrange(4)}"]
        for text in texts:
            scores.setdefault(text, round(rng.random() + 0.2 * ("right" in text), 1))
        subset = rng.choice(["no answer", "other number"])
        items.append(
            item(f"{number}", question, *texts, subset, rng.choice([2, 3, 10]), rng.choice(["sft", "student"]))
        )
    rows = []
    for one in items:
        c, r = scores[one["chosen"]], scores[one["rejected"]]
        preferred = 0.5 if c == r else float(c > r)
        rows.append({"id": one["id"], "chosen": c, "rejected": r, "preferred": preferred})
    found = compute_metrics(items, rows, {"prompts": 600, "tokens_read": 3000, "tokens_written": 30, "seconds": 1.5})

    def wins(pairs):
        values = [0.5 if scores[a] == scores[b] else float(scores[a] > scores[b]) for a, b in pairs]
        return sum(values) / len(values)

    whole, *parts = found
    hits = [row["preferred"] for row in rows]
    assert whole["accuracy"] == pytest.approx(sum(hits) / 300)
    assert (whole["low"], whole["high"]) == clustered_mean([one["prompt"] for one in items], hits)
    used = {(one["prompt"], one[key]) for one in items for key in ("chosen", "rejected")}
    right = [text for _, text in used if "right" in text]
    wrong = [text for _, text in used if "wrong" in text]
    assert whole["auc"] == pytest.approx(wins(itertools.product(right, wrong)))
    within = [
        wins((a, b) for a in right for b in wrong if a.split()[0] == b.split()[0] == question)
        for question in {one["prompt"] for one in items}
    ]
    assert whole["auc_within"] == pytest.approx(sum(within) / len(within))
    assert whole["auc_within_low"] < whole["auc_within"] < whole["auc_within_high"]
    assert [whole[key] for key in ("prompts", "tokens_read", "tokens_written", "seconds")] == [2, 10, 0.1, 0.005]
    assert [(row["by"], row["part"]) for row in parts] == [
        ("error", "no answer"), ("error", "other number"),
        ("steps", "2"), ("steps", "3"), ("steps", "10"),
        ("wrong by", "sft"), ("wrong by", "student"),
    ]  # fmt: skip
    for row, key in zip(parts, ["subset"] * 2 + ["steps"] * 3 + ["rejected_model"] * 2, strict=True):
        own = [hit for one, hit in zip(items, hits, strict=True) if str(one[key]) == row["part"]]
        assert (row["n"], row["accuracy"]) == (len(own), pytest.approx(sum(own) / len(own)))
        assert row["low"] <= row["accuracy"] <= row["high"]
        assert row["seconds"] is None
    for by in ("error", "steps", "wrong by"):
        assert sum(row["n"] for row in parts if row["by"] == by) == 300


def test_what_is_missing_is_counted_and_no_answer_at_all_has_no_accuracy(tmp_path):
    rows, cost = ask(Scorer(), ITEMS)
    whole = compute_metrics(ITEMS, rows, cost)[0]
    assert (whole["n"], whole["missing"], whole["questions"], whole["accuracy"]) == (4, 1, 2, 2.5 / 4)
    assert summary_line(whole).startswith("accuracy 0.625 (95 % interval ")
    assert summary_line(whole).endswith("on 4 pairs, 1 without an answer")
    silent = compute_metrics(ITEMS[4:], rows[4:], cost)
    assert [row["accuracy"] for row in silent] == [None] * 4
    assert summary_line(silent[0]) == "no pair was answered"
    made = write_table(tmp_path / "benchmark.csv", {"pays": (rows, cost), "other": (rows, cost)}, ITEMS, "abc")
    with open(tmp_path / "benchmark.csv", newline="") as handle:
        again = list(csv.DictReader(handle))
    assert tuple(again[0]) == tuple(COLUMNS)
    assert [row["judge"] for row in again] == ["pays"] * 7 + ["other"] * 7
    assert {row["items"] for row in again} == {"abc"}
    assert float(again[0]["accuracy"]) == made[0]["accuracy"]
    assert again[1]["seconds"] == ""
    first, second = curve(made)
    assert (first["step"], second["step"]) == (0, 1)
    assert first["metrics"]["benchmark/accuracy"] == 2.5 / 4 and first["metrics"]["benchmark/flipped"] is None
    assert "benchmark/judge" not in first["metrics"]


def test_a_real_judges_rows_are_its_scores(tiny, rows):
    judge = judge_load.load(model=tiny)
    asked = [
        item(row["id"], row["question"], row["program"], row["program"].replace("+", "-", 1) + "\n") for row in rows[:4]
    ]
    found, cost = ask(judge, asked)
    scores = scores_of(judge_load.load(model=tiny), [r["prompt"] for r in asked], [r["chosen"] for r in asked])
    assert [row["chosen"] for row in found] == pytest.approx(scores, abs=1e-5)
    assert cost["prompts"] == 8
    assert cost["tokens_read"] == judge.usage.read > 0
    assert json.loads(json.dumps(found)) == found


def config(**judge_settings):
    return {
        "study": "x",
        "data": {
            "train": {"reader": "generator", "set": "main", "size": 100},
            "labeled": 10,
            "unlabeled": 10,
            "validation": 30,
            "tests": {"main": {"reader": "generator", "set": "main", "size": 10}},
        },
        "student": {"model": "s"},
        "judge": {"model": "j"} | judge_settings,
        "primary": {"test_set": "main"},
    }


def test_the_config_asks_for_none_by_default_and_leaves_a_part_to_select_on():
    assert load(config())["judge"]["benchmark"] is None
    assert load(config(benchmark={"questions": 15}))["judge"]["benchmark"] == {"questions": 15, "samples": 4, "seed": 0}
    with pytest.raises(InputError, match="benchmark.questions: 16 of 30 validation problems .* at most 15"):
        load(config(benchmark={"questions": 16}))
    with pytest.raises(InputError, match="unknown key 'judge.benchmark.question'; did you mean"):
        load(config(benchmark={"question": 16}))


def test_a_benchmark_job_holds_a_gpu_only_where_a_model_is_in_it():
    compute = {"compute": {"gpus": 4}}
    local = load(config() | compute)
    away = load(config(server={"base_url": "http://x/v1"}) | compute)
    own = load(config(server={"serve": "job", "gpus": [1]}) | compute)
    asked = {name: [RULES[name].gpus(c) for c in (local, away, own)] for name in ("selection_pairs", "benchmark_judge")}
    assert asked == {"selection_pairs": [1, 1, 1], "benchmark_judge": [1, 0, 4]}
    assert params.judges(local) == {"pays": params.judge(local)}
