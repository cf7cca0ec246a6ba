"""A program for which a batch had no time is missing everywhere: no reward, no verdict, no part of a figure."""

import json
from types import SimpleNamespace

import pytest

from gavel.cli import main
from gavel.common.errors import InputError
from gavel.common.files import read_jsonl, write_jsonl
from gavel.evaluation import score as scoring
from gavel.evaluation.metrics import write_metrics
from gavel.evaluation.question_values import question_values
from gavel.judge.verdict import Judge, Verdict
from gavel.judge_eval.verdicts import _judged
from gavel.report.page import render
from gavel.report.results import load as load_report
from gavel.report.sections import summary_sentences
from gavel.solutions import answers, verifier
from gavel.solutions.answers import NOT_RUN
from gavel.solutions.verifier import solutions_to_answers, verify
from gavel.study.schema.study import load
from gavel.training.judge.unlabeled_pairs import contrasting_pairs
from gavel.training.monitor import known_verdicts
from gavel.training.rl.rewards import LambdaSchedule, MissingRewards, MixedReward, RewardRules, mix
from helpers import fake_results

RIGHT, WRONG, LATE, BROKEN = ("def solution():\n    return " + text for text in ("4", "5", "4 + 0", "1 / 0"))


@pytest.fixture
def late(monkeypatch):
    """As if the batch's time had ended before every program `LATE`."""

    def run(sources, *_, **__):
        known_answers = {RIGHT: "4", WRONG: "5", BROKEN: None}
        return [NOT_RUN if "4 + 0" in source else known_answers[source] for source in sources]

    monkeypatch.setattr(verifier, "run_programs", run)


class Half(Judge):
    def verdicts(self, questions, solutions):
        return [Verdict(0.5, probability=0.5) for _ in solutions]


def test_the_verdict_is_missing(late):
    found = verify([RIGHT, WRONG, LATE, BROKEN], ["4"] * 4, "program")
    assert found == (["4", "5", None, None], [True, False, None, False])
    assert solutions_to_answers([LATE], "program") == [NOT_RUN]


@pytest.mark.parametrize(
    ("verifiable", "judged", "lam", "uses_label", "expected"),
    [
        (None, 0.5, 0.5, True, None),
        (None, 0.5, 1.0, True, None),
        (None, 0.5, 0.0, True, 0.5),
        (None, 0.5, 0.5, False, 0.5),
        (1.0, 0.5, 0.5, True, 0.75),
    ],
)
def test_the_mix(verifiable, judged, lam, uses_label, expected):
    assert mix(verifiable, judged, lam, uses_label) == expected


def reward(lam: float, max_skipped: int = 3) -> MixedReward:
    return MixedReward(LambdaSchedule(lam), Half(), RewardRules("program"), MissingRewards(0.25, max_skipped))


@pytest.mark.parametrize(
    ("lam", "expected"),
    [(1.0, [1.0, None, 0.1, None]), (0.5, [0.75, None, 0.3, 0.5]), (0.0, [0.5, 0.5, 0.5, 0.5])],
)
def test_a_reward_is_missing_and_never_0(late, lam, expected):
    logged = {}
    gold = ["4", "4", "4", None]
    paid = reward(lam)([RIGHT, LATE, WRONG, LATE], ["q"] * 4, gold, log_metric=logged.__setitem__)
    if lam == 1:
        assert paid[:3] == expected[:3]
    else:
        assert paid == pytest.approx(expected)
    assert logged.get("not_run") == (None if lam == 0 else 1)


def test_too_many_missing_rewards_skip_the_step_and_then_say_why(late):
    mixed = reward(1.0, max_skipped=0)
    with pytest.raises(InputError, match=r"solution\.batch_seconds.*100% of the rewards are missing"):
        mixed([LATE] * 4, ["q"] * 4, ["4"] * 4)
    assert mixed.missing.skip


def test_a_look_counts_what_ran():
    assert known_verdicts([True, None, False]) == [True, False]
    with pytest.raises(InputError, match="none of 2 programs ran"):
        known_verdicts([None, None])


def test_a_judged_solution_without_a_verdict_is_left_out(late):
    rows = [
        {"id": str(i), "question": "q", "response": text, "gold": "4"} for i, text in enumerate([RIGHT, LATE, WRONG])
    ]
    assert [(row["id"], row["correct"]) for row in _judged(rows, Half(), "program")] == [
        ("0", True),
        ("2", False),
    ]
    assert list(_judged([], Half(), "program")) == []


def test_an_unverified_contrast_is_no_pair(late):
    rows = [{"id": "a", "question": "2 and 2?"}]
    made = contrasting_pairs(
        rows,
        {"a": [(RIGHT, "4"), (RIGHT, "4"), (WRONG, "5")]},
        lambda questions: [LATE for _ in questions],
        negatives=["changed-question"],
        low=0.1,
        high=0.9,
        solution_format="program",
        seed=0,
    )
    assert made == []


# Evaluation


def scored(path, responses: list[list[str]]):
    """Score questions with a greedy and some sampled responses each."""
    names = [f"q{i}" for i in range(len(responses))]
    write_jsonl(path / "questions.jsonl", ({"id": name, "question": name, "gold": "4"} for name in names))
    rows = (
        {"id": name, "sample": number, "temperature": 0.7, "response": text, "tokens": 9, "finished": True}
        for name, own in zip(names, responses, strict=True)
        for number, text in enumerate(own, start=-1)
    )
    write_jsonl(path / "responses.jsonl", rows)
    return scoring.score(
        questions=str(path / "questions.jsonl"),
        responses=str(path / "responses.jsonl"),
        output=path / "samples.jsonl",
        solution_format="program",
    )


MANY = [[RIGHT, RIGHT, RIGHT, WRONG], [LATE, RIGHT, LATE, WRONG], [WRONG, LATE, LATE, LATE], [BROKEN] * 4]


def test_scored_samples_keep_the_row_without_a_verdict(late, tmp_path):
    accuracies, _, _ = scored(tmp_path, MANY)
    rows = list(read_jsonl(tmp_path / "samples.jsonl"))
    assert [row["correct"] for row in rows if row["id"] == "q1"] == [None, True, None, False]
    assert [row["answer"] for row in rows if row["id"] == "q1"] == [None, "4", None, "5"]
    assert accuracies == {"greedy": 1 / 3, "mean": 3 / 8, "not_run": 5 / 16}


def test_figures_are_of_what_ran(late, tmp_path):
    scored(tmp_path, MANY)
    values = question_values(list(read_jsonl(tmp_path / "samples.jsonl")), [1, 2, 3])
    assert values["greedy", 1] == {"q0": 1.0, "q2": 0.0, "q3": 0.0}
    assert values["mean", 1] == {"q0": 2 / 3, "q1": 0.5, "q3": 0.0}
    assert values["unparsable", 1] == {"q0": 0, "q1": 0, "q3": 1}
    assert set(values["maj", 2]) == {"q0", "q1", "q3"}
    assert set(values["maj", 3]) == set(values["pass", 3]) == {"q0", "q3"}
    assert values["not_run", 1] == {"q0": 0, "q1": 0.5, "q2": 0.75, "q3": 0}
    assert set(values["tokens", 1]) == {"q0", "q1", "q2", "q3"}


def test_a_file_in_which_all_ran_has_no_such_metric(late, tmp_path):
    scored(tmp_path, [[RIGHT, WRONG]])
    assert ("not_run", 1) not in question_values(list(read_jsonl(tmp_path / "samples.jsonl")), [1])


def test_runs_are_compared_on_the_questions_that_ran_in_both(late, tmp_path):
    files, runs = [], {"sft": {"algorithm": "sft", "lambda": None, "seed": 0}}
    for run, checkpoint, responses in (
        ("sft", "best", MANY),
        ("rl0", "last", [[RIGHT] * 4, [RIGHT] * 4, [RIGHT] * 4, [LATE] * 4]),
        ("rl1", "last", [[RIGHT] * 4, [RIGHT] * 4, [RIGHT] * 4, [RIGHT] * 4]),
        ("rl2", "last", [[LATE] * 4] * 3 + [[BROKEN] * 4]),
    ):
        (tmp_path / run).mkdir()
        scored(tmp_path / run, responses)
        files.append((run, checkpoint, "main", tmp_path / run / "samples.jsonl"))
        runs.setdefault(run, {"algorithm": "grpo", "lambda": 1.0, "seed": int(run[-1]) if run != "sft" else 0})
    out = [tmp_path / name for name in ("metrics.csv", "comparisons.csv", "seeds.csv")]
    primary = {"run": "rl0", "runs": ["rl0"], "set": "main", "metric": "greedy", "k": 1}
    write_metrics(files, runs, [1, 3], primary, *out)
    metrics, comparisons, seeds = (path.read_text() for path in out)
    assert "rl0,last,grpo,1,0,,main,not_run,1,0.25" in metrics
    found = [line.split(",") for line in comparisons.splitlines()]
    counts = {(row[0], row[4]): row[10] for row in found[1:] if row[2] == "sft"}
    assert counts["rl0", "greedy"] == "2" and counts["rl1", "greedy"] == "3" and counts["rl2", "greedy"] == "1"
    assert len(seeds.splitlines()) == 1  # the three runs and SFT have no question in common


def test_the_report_says_how_many_are_missing_and_renders(tmp_path):
    root = tmp_path / "results"
    study = fake_results.build(root, {"main": 12, "plus": 16}, samples=2, algorithms=("grpo",), lambdas=("0.5",))
    run = "grpo-lambda0.5-seed0"
    path = root / "evaluation" / run / "main" / "samples.jsonl"
    rows = [row | ({"answer": None, "correct": None} if i % 4 == 0 else {}) for i, row in enumerate(read_jsonl(path))]
    write_jsonl(path, rows)
    fake_results.tables(root, study)
    told = [line for line in summary_sentences.missing_parts(load_report(root, study)) if "did not run" in line]
    assert len(told) == 1 and told[0].startswith("25.0% of the programs of")
    assert "main did not run within solution.batch_seconds" in told[0]
    render(root, study, root / "report.html", root / "figures")
    assert "did not run within solution.batch_seconds" in (root / "report.html").read_text(encoding="utf-8")


# gavel score


def file_of(path, rows: list[list[str]]) -> str:
    write_jsonl(path, ({"id": str(i), "response": own, "answer": "4"} for i, own in enumerate(rows)))
    return str(path)


def score(capsys, *arguments: str) -> dict:
    main.main(["score", *arguments, "--format", "program", "--json"])
    return json.loads(capsys.readouterr().out)


ROWS = [[RIGHT, WRONG], [LATE, RIGHT], [LATE, LATE], [WRONG, WRONG]]


def test_gavel_score_counts_the_missing(late, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(answers, "_budget_s", answers._budget_s)
    path = file_of(tmp_path / "a.jsonl", ROWS)
    details = tmp_path / "details.jsonl"
    found = score(capsys, path, "--details", str(details), "--k", "1,2")
    assert found["n"] == 3 and found["responses"] == 5 and found["missing"] == 3 and found["unparsable"] == 0
    assert found["accuracy"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert found["pass_at"]["2"] == pytest.approx(0.5)  # of the two questions with two
    assert [row["correct"] for row in read_jsonl(details)] == [
        [True, False],
        [None, True],
        [None, None],
        [False, False],
    ]
    main.main(["score", path, "--format", "program"])
    assert "questions   3 (5 responses, 0 unparsable; 3 more did not run)" in capsys.readouterr().out


def test_gavel_score_compares_what_ran_in_both(late, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(answers, "_budget_s", answers._budget_s)
    other = file_of(tmp_path / "b.jsonl", [[RIGHT, RIGHT], [RIGHT, RIGHT], [RIGHT, RIGHT], [LATE, LATE]])
    found = score(capsys, file_of(tmp_path / "a.jsonl", ROWS), "--compare", other)["compare"]
    assert found["accuracy"]["n"] == 2 and found["accuracy"]["difference"] == pytest.approx(-0.25)


def test_gavel_score_without_any_that_ran_is_an_error(late, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(answers, "_budget_s", answers._budget_s)
    assert main.main(["score", file_of(tmp_path / "a.jsonl", [[LATE]]), "--format", "program"]) == 2
    assert "none of 1 programs ran" in capsys.readouterr().err
    path = file_of(tmp_path / "a.jsonl", [[RIGHT]])
    for wrong in ("0.5", "0", "-3", "nan", "inf", "abc", "", "1e999", "2 s"):
        assert main.main(["score", path, "--format", "program", f"--batch-seconds={wrong}"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"--batch-seconds: expected a number of seconds, at least 2, found {wrong!r}" in line


def test_gavel_score_takes_a_time(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(answers, "_budget_s", answers._budget_s)
    endless = [[f"def solution():\n    x = {i}\n    while True: x = x + 1"] for i in range(60)]
    found = score(capsys, file_of(tmp_path / "a.jsonl", [[RIGHT], *endless]), "--batch-seconds", "2")
    assert 0 < found["missing"] <= 60 and found["n"] + found["missing"] == 61


# The key


def test_the_key_is_checked_and_has_a_default():
    raw = {
        "study": "x",
        "data": {
            "train": {"reader": "generator", "set": "main", "size": 100},
            "labeled": 10,
            "unlabeled": 10,
            "validation": 10,
            "tests": {"main": {"reader": "generator", "set": "main", "size": 10}},
        },
        "student": {"model": "a/b"},
        "judge": {"model": "a/b"},
        "primary": {"test_set": "main"},
    }
    assert load(raw)["solution"]["batch_seconds"] == answers.BUDGET_S
    with pytest.raises(InputError, match=r"solution\.batch_seconds.*greater than or equal to 2.*0"):
        load(raw | {"solution": {"batch_seconds": 0}})


def test_a_job_runs_programs_with_the_time_of_its_config(monkeypatch):
    from gavel.jobs import job

    monkeypatch.setattr(answers, "_budget_s", answers._budget_s)
    job._begin(SimpleNamespace(threads=1, config={"solution": {"batch_seconds": 7.0}}))
    assert answers.budget() == 7.0
