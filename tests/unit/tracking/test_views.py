"""The pages of MLflow's UI on which a study opens; what stands on them is in tests/system/browser."""

import json
from urllib.parse import parse_qs

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from gavel.common.errors import InputError
from gavel.tracking.store import experiment_id, store_lock
from gavel.tracking.views import find_experiment, study_pages
from helpers.mirrored import child

ADDRESS = "http://login1:5000"


@pytest.fixture
def experiment(made_store, request):
    """(uri, id) of an experiment of the test's own."""
    uri = made_store[0]
    return uri, experiment_id(uri, request.node.name, store_lock(uri, "not used by an SQLite file"))


def log_run(uri: str, experiment: str, rule: str, metrics: dict | None = None, **tags) -> None:
    run = MlflowClient(uri).create_run(experiment, tags={"rule": rule} | tags)
    for name, value in (metrics or {}).items():
        MlflowClient(uri).log_metric(run.info.run_id, name, value)


def view(uri: str, experiment: str, title: str) -> dict:
    """The state that a page's address names."""
    (page,) = (page for page in study_pages(uri, experiment, ADDRESS) if page.title == title)
    path, _, query = page.url.partition("?")
    assert path == f"{ADDRESS}/#/experiments/{experiment}/runs"
    key = parse_qs(query)["viewStateShareKey"][0]
    return json.loads(MlflowClient(uri).get_experiment(experiment).tags[f"mlflow.sharedViewState.{key}"])


def test_the_newest_experiment_or_a_named_one_is_found(made_store):
    uri, made = made_store
    found, others = find_experiment(uri, "gavel")
    assert found.experiment_id == made and "gavel" not in others and "Default" not in others
    newest = experiment_id(uri, "newest", store_lock(uri, "not used by an SQLite file"))
    assert find_experiment(uri).chosen.experiment_id == newest and "gavel" in find_experiment(uri).others
    with pytest.raises(InputError, match="no MLflow experiment 'missing'; experiments: .*gavel"):
        find_experiment(uri, "missing")


def test_an_empty_store_has_no_experiment(made_store, monkeypatch):
    monkeypatch.setattr(MlflowClient, "search_experiments", lambda self, **_: [])
    with pytest.raises(InputError, match="no MLflow experiment; experiments: none"):
        find_experiment(made_store[0])


def test_columns_are_the_results_once_they_are_known(experiment):
    tags = ["tags.`algorithm`", "tags.`lambda`", "tags.`seed`"]
    log_run(*experiment, "rl", {"validation/greedy": 0.5}, algorithm="grpo")
    before = view(*experiment, "Training runs")
    assert before["selectedColumns"] == [*tags, "metrics.`validation/greedy`", "metrics.`validation/judge`"]
    log_run(*experiment, "sft", {"test_accuracy": 0.5}, algorithm="sft")
    after = view(*experiment, "Training runs")
    assert after["selectedColumns"] == [*tags, "metrics.`test_accuracy`", "metrics.`judge_reward`"]
    assert after["columnWidths"].keys() == set(after["columnOrder"]) == set(after["selectedColumns"])


def test_filters_choose_the_training_runs_and_the_rl_runs(experiment):
    uri, number = experiment
    for rule, tags in (("sft", {"algorithm": "sft"}), ("rl", {"algorithm": "grpo"}), ("judge", {"algorithm": "judge"})):
        log_run(*experiment, rule, **tags)
    log_run(*experiment, "evaluate")

    def listed(title: str) -> set[str]:
        state = view(*experiment, title)
        order = f"{state['orderByKey']} {'ASC' if state['orderByAsc'] else 'DESC'}"
        found = MlflowClient(uri).search_runs([number], state["searchFilter"], order_by=[order])
        return {run.data.tags["rule"] for run in found}

    assert listed("Training runs") == {"sft", "rl"}
    assert listed("Curves of the RL runs") == {"rl"}
    assert listed("All jobs") == {"sft", "rl", "judge", "evaluate"}


def test_a_store_that_takes_no_tags_lists_the_same_runs(experiment, monkeypatch):
    def denied(*_):
        raise MlflowException("read only")

    monkeypatch.setattr(MlflowClient, "set_experiment_tag", denied)
    queries = [parse_qs(page.url.partition("?")[2]) for page in study_pages(*experiment, ADDRESS)]
    assert not any("viewStateShareKey" in query for query in queries)
    assert queries[0]["searchFilter"] == ["tags.algorithm != 'judge'"] and queries[0]["orderByAsc"] == ["true"]
    assert queries[1]["compareRunsMode"] == ["CHART"]


def test_a_job_of_a_real_record_is_among_the_training_runs(store, tmp_path):
    with child(store, tmp_path, tags={"rule": "rl", "algorithm": "grpo"}):
        pass
    uri = store[0]
    state = view(uri, find_experiment(uri, "gavel").chosen.experiment_id, "Training runs")
    found = MlflowClient(uri).search_runs([find_experiment(uri, "gavel").chosen.experiment_id], state["searchFilter"])
    assert f"{store[1]}/rl/grpo" in {run.data.tags["gavel.key"] for run in found}
