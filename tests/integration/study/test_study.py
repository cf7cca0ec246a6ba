"""The whole small study: what it writes, and what a second run does after each kind of change."""

import csv
import json

import mlflow
import pyarrow.parquet as pq
import pytest

import gavel.results
from gavel.data.records import LabeledRecord, Record
from gavel.data.rollouts import RolloutRow, read_rollouts
from gavel.evaluation.records import Response, ScoredSample
from gavel.judge_eval.records import ProbeRow, VerdictRow
from gavel.replay.questions_by_step import FollowedResponse
from gavel.training.records import RunSummary
from helpers.job_inputs import informed_jobs
from helpers.typed_rows import assert_typed

RUNS = ["sft", "grpo-lambda0.5-seed0", "ppo-lambda0.5-seed0"]
SETS = ["main", "plus", "svamp"]


def table(path) -> list[dict]:
    return list(csv.DictReader(path.open()))


def rows(path) -> list[dict]:
    return [json.loads(line) for line in path.open()]


def test_every_contracted_file_is_there(finished, record_run):
    for algorithm in ("sft", "grpo", "ppo", "judge", "evaluation"):
        record_run(algorithm=algorithm, model="shipped")
    for name in ("pretrain", "labeled", "unlabeled", "validation"):
        assert (finished.results / f"data/{name}.jsonl").exists()
    for run in RUNS:
        for part in ("final/model.safetensors", "final/tokenizer.json", "best/model.safetensors", "monitor.csv"):
            assert (finished.results / "runs" / run / part).exists(), part
        for name in SETS:
            assert (finished.results / f"evaluation/{run}/{name}/samples.jsonl").exists()


def test_the_unlabelled_file_holds_no_answers(finished):
    for row in rows(finished.results / "data/unlabeled.jsonl"):
        assert row.keys() == {"id", "source", "question", "solution", "gold", "kind", "seed_id"}
        assert row["gold"] is None and row["solution"] is None


def test_no_training_job_reads_a_withheld_answer(finished):
    rules = {"train_sft", "train_rl", "judge_policy", "judge_trained"}
    assert informed_jobs(finished.folder, finished.results, rules) == set()


def test_rollouts_are_kept_of_every_step(finished):
    for run in RUNS[1:]:
        rollouts = list(read_rollouts(finished.results / f"runs/{run}/rollouts"))
        assert [rows[0]["step"] for rows in rollouts] == [1, 2, 3, 4]
        assert {len(rows) for rows in rollouts} == {32}
        assert_typed([row for rows in rollouts for row in rows], RolloutRow)


def test_the_same_questions_are_followed_through_every_run(finished):
    followed = pq.read_table(finished.results / "questions.parquet").to_pylist()
    assert_typed(followed, FollowedResponse)
    validation = [row for row in followed if row["pool"] == "validation"]
    asked = {(row["run"], row["step"]): set() for row in validation}
    for row in validation:
        asked[row["run"], row["step"]].add(row["id"])
    assert set(asked) == {(run, step) for run in RUNS[1:] for step in (0, 2, 4)}
    assert len(set(map(frozenset, asked.values()))) == 1
    # The verifier's verdict in training, and the one on the gold answer after it.
    labelled = [row for row in followed if row["verifiable"] is not None]
    assert labelled and all((row["verifiable"] == 1) == row["truth"] for row in labelled)
    withheld = [row for row in followed if row["pool"] == "unlabelled"]
    assert withheld and all(row["gold"] and row["verifiable"] is None and row["truth"] is not None for row in withheld)


ROWS = {
    "data/labeled.jsonl": LabeledRecord,
    "data/[puv]*.jsonl": Record,
    "data/test/*.jsonl": Record,
    "evaluation/*/*/*responses.jsonl": Response,
    "evaluation/*/*/samples.jsonl": ScoredSample,
    "evaluation/*/*/alternate.jsonl": ScoredSample,
    "judge/calibration.jsonl": VerdictRow,
    "judge/runs/*.jsonl": VerdictRow,
    "judge/probes.jsonl": ProbeRow,
    "runs/*/run.json": RunSummary,
}


@pytest.mark.parametrize("pattern", ROWS)
def test_rows_on_disk_are_of_their_types(finished, pattern):
    files = list(finished.results.glob(pattern))
    assert files
    for path in files:
        assert_typed(rows(path) if path.suffix == ".jsonl" else [json.loads(path.read_text())], ROWS[pattern])


def test_splits_share_no_question_and_the_audit_says_so(finished):
    names = ["pretrain", "labeled", "unlabeled", "validation", *(f"test/{name}" for name in SETS)]
    questions = [row["question"] for name in names for row in rows(finished.results / f"data/{name}.jsonl")]
    assert len(set(questions)) == len(questions)
    assert json.loads((finished.results / "data/audit.json").read_text())["clean"] is True


def test_metrics_can_be_recomputed_from_the_samples(finished):
    metrics = {
        (r["run"], r["checkpoint"], r["set"], r["metric"], r["k"]): r for r in table(finished.results / "metrics.csv")
    }
    for run in RUNS:
        main = "best" if run == "sft" else "last"
        for name in SETS:
            samples = rows(finished.results / f"evaluation/{run}/{name}/samples.jsonl")
            greedy = [row["correct"] for row in samples if row["sample"] == -1]
            cell = metrics[run, main, name, "greedy", "1"]
            assert float(cell["value"]) == pytest.approx(sum(greedy) / len(greedy), abs=1e-5)
            assert float(cell["low"]) <= float(cell["value"]) <= float(cell["high"])
            assert len(samples) == 5 * len(greedy)
            assert (run, main, name, "maj", "4") in metrics


def test_every_run_is_compared_with_sft_and_one_comparison_is_primary(finished):
    comparisons = table(finished.results / "comparisons.csv")
    assert [r["run"] for r in comparisons if r["primary"] == "True" or r["primary"] == "true"] == [
        "grpo-lambda0.5-seed0"
    ]
    compared = {(r["run"], r["set"]) for r in comparisons if r["baseline"] == "sft" and r["metric"] == "greedy"}
    assert {(run, name) for run in RUNS[1:] for name in SETS} <= compared


def test_the_judge_was_calibrated_before_it_paid(finished):
    found = json.loads((finished.results / "judge/calibration.json").read_text())
    assert found["n"] == 160
    assert 0 <= found["auc"] <= 1
    first = [json.loads((finished.results / "state" / run / "journal.jsonl").open().readline()) for run in RUNS[1:]]
    assert (finished.results / "judge/calibration.jsonl").stat().st_mtime * 1000 <= min(row["time"] for row in first)


def test_the_report_is_one_file_that_asks_the_network_for_nothing(finished):
    page = (finished.results / "report.html").read_text()
    assert "Does every part run?" in page
    assert all(name in page for name in ("SFT", "GRPO", "PPO"))
    for mark in ('<link rel="stylesheet', "<script src", 'src="http', "url(http", "@import"):
        assert mark not in page


def test_mlflow_has_one_active_run_for_each_job_under_one_parent(finished):
    client = mlflow.MlflowClient(f"sqlite:///{finished.results}/mlflow.db")
    experiment = client.get_experiment_by_name("small")
    active = client.search_runs([experiment.experiment_id])
    keys = [run.data.tags["gavel.key"] for run in active]
    assert len(keys) == len(set(keys))
    assert {"small", "small/sft/sft", *(f"small/rl/{run}" for run in RUNS[1:]), "small/judge/calibration"} <= set(keys)
    by_key = {run.data.tags["gavel.key"]: run for run in active}
    parent, child = by_key["small"], by_key["small/rl/grpo-lambda0.5-seed0"]
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert {"algorithm": "grpo", "lambda": "0.5", "rule": "rl"}.items() <= child.data.tags.items()
    history = client.get_metric_history(child.info.run_id, "reward")
    assert [point.step for point in history] == [1, 2, 3, 4]
    assert child.info.status == "FINISHED"
    accuracy = {row.run: row.accuracy for row in gavel.results.load(finished.results).runs.itertuples()}
    for run in RUNS:
        logged = by_key[f"small/{'sft/sft' if run == 'sft' else f'rl/{run}'}"].data
        assert logged.metrics["test_accuracy"] == pytest.approx(accuracy[run], abs=5e-5)
        assert logged.tags["seed"] == "0" and ("judge_reward" in logged.metrics) == (run != "sft")


LIBRARY = "workflow/scripts/gavel"
VERIFIER = (f"{LIBRARY}/solutions/verifier.py", "def equal(", "EDITED = True\n\n\ndef equal(")
FROM_TRAINING = {
    "train_sft",
    "judge_policy",
    "calibrate_judge",
    "measure_signal",
    "train_rl",
    "judge_trained",
    "calibrate_trained",
    "rollouts_table",
    "generate",
    "score",
    "compute_metrics",
    "report_html",
}


def test_a_second_run_has_nothing_to_do_nor_one_after_an_edit_that_was_taken_back(finished):
    path, old, new = VERIFIER
    finished.edit(path, old, new)
    finished.edit(path, new, old)
    done = finished.run()
    assert "Nothing to be done" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        (
            [
                (f"{LIBRARY}/training/rl/rewards.py", '"""Rewards: ', '# A remark.\n"""Payments: '),
                (f"{LIBRARY}/tracking/tracker.py", "class Tracker", "EDITED = True\n\n\nclass Tracker"),
            ],
            set(),
        ),
        (
            [(f"{LIBRARY}/stats/voting.py", "def pass_at_k(", "EDITED = True\n\n\ndef pass_at_k(")],
            {"compute_metrics", "report_html"},
        ),
        ([(f"{LIBRARY}/report/plots/style.py", "import ", "EDITED = True\nimport ")], {"report_html"}),
        (
            [
                (
                    f"{LIBRARY}/models/sampling.py",
                    "@dataclass(frozen=True)\nclass Sample",
                    "EDITED = True\n\n\n@dataclass(frozen=True)\nclass Sample",
                )
            ],
            FROM_TRAINING,
        ),
        ([VERIFIER], FROM_TRAINING),
        ([("resources/prompts/judge.txt", "?", " ?")], FROM_TRAINING - {"train_sft"}),
    ],
    ids=["comment and tracking", "voting", "plot style", "sampler", "verifier", "judging prompt"],
)
def test_an_edit_reruns_what_it_affects(finished, edits, expected):
    for path, old, new in edits:
        finished.edit(path, old, new)
    try:
        assert finished.planned() == expected
    finally:
        for path, old, new in edits:
            finished.edit(path, new, old)


def test_a_deleted_evaluation_is_remade_with_what_depends_on_it(finished):
    """And no other run's: one job of each rule. tests/system/faults/test_deleted_files.py runs them."""
    gone = finished.results / "evaluation/grpo-lambda0.5-seed0"
    aside = gone.rename(finished.folder / "aside")
    try:
        assert finished.jobs() == dict.fromkeys(("generate", "score", "compute_metrics", "report_html"), 1)
    finally:
        aside.rename(gone)


def test_the_judge_was_tried_on_kinds_tricks_and_every_policy(finished):
    found = json.loads((finished.results / "judge/calibration.json").read_text())
    assert {"as drawn", "critical thinking", "digit expansion"} <= {part["part"] for part in found["by_kind"]}
    controls = {probe["probe"]: probe["rewarded"] for probe in found["probes"]}
    assert controls["reference"] > controls["spoilt"]
    policies = json.loads((finished.results / "judge/policies.json").read_text())
    assert set(policies) == set(RUNS[1:])
    assert all(figures["n"] == 160 for figures in policies.values())


def test_a_judge_below_the_gate_is_not_trained_on(finished):
    """The last test here: it leaves another calibration behind."""
    finished.configure(judge={"min_within_auc": 1.0, "on_weak_judge": "stop"})
    before = (finished.results / "runs/grpo-lambda0.5-seed0/run.json").stat().st_mtime_ns
    done = finished.run("rl")
    assert done.returncode != 0
    assert "RL is not run (judge.on_weak_judge: stop)" in done.stdout + done.stderr
    assert (finished.results / "runs/grpo-lambda0.5-seed0/run.json").stat().st_mtime_ns == before
