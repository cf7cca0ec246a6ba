"""Results that are added to a training run's record after its job has ended."""

import shutil

import pytest
from filelock import FileLock
from mlflow import MlflowClient

from gavel.cli import main
from gavel.common.journal import Journal
from gavel.tracking.job_record import JobRecord, count_unsent, record_lock
from gavel.tracking.study import add_results, job_run, records, send_unsent

RUN = "grpo-lambda0.5-seed0"
METRIC = {"test_accuracy": 0.25, "judge_reward": 0.5}


@pytest.fixture
def config(made_store, tmp_path, request):
    return {"results_dir": str(tmp_path), "study": request.node.name, "tracking": {"uri": made_store[0]}}


def trained(config: dict, tmp_path, rule: str = "rl", run: str = RUN, **tags):
    """What a training job sends, with its journal."""
    journal = Journal(tmp_path / "state" / run / "journal.jsonl")
    journal.append(1, {"reward": 0.1})
    journal.append(2, {"reward": 0.2})
    with job_run(config, rule, run, digest="a", params={"seed": 3}, tags=tags, log=print) as mirror:
        mirror.mirror(journal)


def found(config: dict, key: str = f"rl/{RUN}"):
    client = MlflowClient(config["tracking"]["uri"])
    experiment = client.get_experiment_by_name(config["study"]).experiment_id
    (run,) = client.search_runs([experiment], f"tags.`gavel.key` = '{config['study']}/{key}'")
    return run


def curve(config: dict, metric: str) -> list[tuple[int, float]]:
    client = MlflowClient(config["tracking"]["uri"])
    points = client.get_metric_history(found(config).info.run_id, metric)
    return [(point.step, point.value) for point in sorted(points, key=lambda point: (point.step, point.timestamp))]


def record(config: dict) -> JobRecord:
    return JobRecord.load(records(config["results_dir"]) / f"rl-{RUN}.json")


def test_results_are_added_to_the_run_once(config, tmp_path):
    trained(config, tmp_path)
    before = found(config)
    for _ in range(2):
        add_results(config, {RUN: METRIC, "never-trained": METRIC}, print)
        send_unsent(config, print)
    after = found(config)
    assert after.info.run_id == before.info.run_id and after.data.metrics == {"reward": 0.2} | METRIC
    assert (after.info.status, after.info.end_time) == ("FINISHED", before.info.end_time)
    assert curve(config, "test_accuracy") == [(0, 0.25)] and curve(config, "reward") == [(1, 0.1), (2, 0.2)]
    assert count_unsent(records(tmp_path)) == 0
    assert not list(records(tmp_path).glob("*never-trained*"))


def test_a_result_that_changes_replaces_the_one_shown_and_keeps_the_run(config, tmp_path):
    trained(config, tmp_path)
    shown = []
    for value in (0.25, 0.75):
        add_results(config, {RUN: {"test_accuracy": value}}, print)
        send_unsent(config, print)
        shown.append((found(config).info.run_id, found(config).data.metrics["test_accuracy"]))
    assert [value for _, value in shown] == [0.25, 0.75] and shown[0][0] == shown[1][0]


def test_curves_stay_when_the_journals_are_deleted_before_the_results_are_known(config, tmp_path):
    trained(config, tmp_path)
    shutil.rmtree(tmp_path / "state" / RUN)
    said = []
    add_results(config, {RUN: METRIC}, said.append)
    send_unsent(config, said.append)
    assert said == [f"MLflow: rl-{RUN} is complete now"]  # and nothing about files that are gone
    assert found(config).data.metrics == {"reward": 0.2} | METRIC and curve(config, "reward") == [(1, 0.1), (2, 0.2)]


def test_results_that_a_server_missed_are_sent_by_sync(config, tmp_path, capsys):
    trained(config, tmp_path)
    add_results(config, {RUN: METRIC}, print)
    assert count_unsent(records(tmp_path)) == 1 and "test_accuracy" not in found(config).data.metrics
    assert main.main(["sync", str(tmp_path)]) == 0
    assert "1 runs sent" in capsys.readouterr().out
    assert found(config).data.metrics.items() >= METRIC.items()
    assert main.main(["sync", str(tmp_path)]) == 0
    assert "MLflow has everything" in capsys.readouterr().out and curve(config, "judge_reward") == [(0, 0.5)]


def test_a_job_that_resumes_keeps_the_results_in_its_run(config, tmp_path):
    trained(config, tmp_path)
    add_results(config, {RUN: METRIC}, print)
    send_unsent(config, print)
    with job_run(config, "rl", RUN, digest="a", params={"seed": 3}, log=print) as mirror:
        mirror.mirror([{"step": 3, "metrics": {"reward": 0.3}}])
    assert found(config).data.metrics == {"reward": 0.3} | METRIC
    assert record(config).results == {}
    add_results(config, {RUN: METRIC}, print)
    send_unsent(config, print)
    assert curve(config, "test_accuracy") == [(0, 0.25)] and record(config).sent


def test_a_record_that_is_held_or_broken_is_left_alone(config, tmp_path):
    trained(config, tmp_path)
    path, said = records(tmp_path) / f"rl-{RUN}.json", []
    with FileLock(record_lock(path).lock_file):
        add_results(config, {RUN: METRIC}, said.append)
    assert record(config).results == {}
    path.write_text("{")
    add_results(config, {RUN: METRIC}, said.append)
    assert path.read_text() == "{" and len(said) == 2
    assert all(line.startswith(f"MLflow: the results of rl-{RUN} could not be added") for line in said)


def test_a_record_from_before_results_were_kept_is_read(config, tmp_path):
    trained(config, tmp_path)
    path = records(tmp_path) / f"rl-{RUN}.json"
    old = path.read_text()
    assert '"results"' in old
    path.write_text(old.replace('"results": {},', ""))
    add_results(config, {RUN: METRIC}, print)
    assert record(config).results == METRIC and not record(config).sent


def test_training_runs_have_algorithm_and_seed_whatever_their_job_says(config, tmp_path):
    trained(config, tmp_path, "sft", "sft", algorithm="sft", seed=None)
    assert found(config, "sft/sft").data.tags.items() >= {"algorithm": "sft", "seed": "3"}.items()
    trained(config, tmp_path, "base", "base")
    assert found(config, "base/base").data.tags["algorithm"] == "base"
    trained(config, tmp_path, "rl", RUN, algorithm="grpo", seed=0)
    assert found(config).data.tags.items() >= {"algorithm": "grpo", "seed": "0"}.items()
    trained(config, tmp_path, "evaluate", "sft")
    assert "algorithm" not in found(config, "evaluate/sft").data.tags
