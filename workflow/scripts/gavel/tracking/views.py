"""The pages of MLflow's UI on which a study opens: its training runs as a table, their curves, and all of its jobs.

By itself, the UI folds all jobs under the study's run, without columns for tags and metrics, and hides curves after ten
runs. It keeps such choices in the browser, unless an address names a *shared view*: an experiment's tag with the page's
state as JSON.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from gavel.common.errors import InputError
from gavel.tracking.store import client, mlflow_errors

if TYPE_CHECKING:
    from mlflow.entities import Experiment

# A run's results (`gavel.frames.final`), and what its validations have until these are known.
TEST_ACCURACY, JUDGE_REWARD = "test_accuracy", "judge_reward"
VALIDATIONS = ("validation/greedy", "validation/judge")
_TAG = "mlflow.sharedViewState."
# Tags of jobs since Gavel has a mirror. Steps of SFT and RL differ, so only curves of RL runs share their axes.
_TRAINING, _RL = "tags.algorithm != 'judge'", "tags.rule = 'rl'"
_BY_NAME = "tags.`mlflow.runName`"  # in any order but by start, jobs are unfolded
# In pixels: beside MLflow's own panels, the training runs' columns fit on a screen 1440 pixels wide.
_WIDTHS = {"algorithm": 80, "lambda": 62, "seed": 52, TEST_ACCURACY: 113, JUDGE_REWARD: 103}
_WIDTH = 130


class Page(NamedTuple):
    """A page of MLflow's UI."""

    title: str
    url: str


class Experiments(NamedTuple):
    """An experiment, and the names of the store's others, newest first."""

    chosen: "Experiment"
    others: list[str]


def find_experiment(uri: str, name: str | None = None) -> Experiments:
    """Find an experiment of a store, by default the newest.

    Raises:
        InputError: there is no such experiment.
        mlflow_errors(): the store cannot be read.
    """
    found = [one for one in client(uri).search_experiments(order_by=["creation_time DESC"]) if one.name != "Default"]
    named = [one for one in found if name in (one.name, None)]
    if not named:
        known = ", ".join(sorted(one.name for one in found)) or "none"
        raise InputError(f"{uri}: no MLflow experiment{f' {name!r}' if name else ''}; experiments: {known}")
    return Experiments(named[0], [one.name for one in found if one is not named[0]])


def study_pages(uri: str, experiment: str, address: str) -> list[Page]:
    """The pages of a study. Their views are saved in the store; where that is denied, columns and charts are MLflow's.

    Args:
        uri: of the store.
        experiment: its id.
        address: of the server, `http://host:port`.

    Raises:
        mlflow_errors(): the store cannot be read.
    """
    store = client(uri)
    runs = store.search_runs([experiment], _TRAINING, max_results=1000)
    measured = any(TEST_ACCURACY in run.data.metrics for run in runs)
    values = (TEST_ACCURACY, JUDGE_REWARD) if measured else VALIDATIONS
    views = [
        ("Training runs", "TABLE", _runs(_TRAINING), _columns(["algorithm", "lambda", "seed"], values)),
        ("Curves of the RL runs", "CHART", _runs(_RL), _charts(VALIDATIONS)),
        ("All jobs", "TABLE", _runs(""), _columns(["rule"], ())),
    ]
    pages = []
    for title, mode, listed, layout in views:
        key = f"gavel-{title.lower().replace(' ', '-')}"
        try:
            store.set_experiment_tag(experiment, f"{_TAG}{key}", json.dumps(listed | layout))
            state = {"viewStateShareKey": key}
        except mlflow_errors():
            state = listed | {"orderByAsc": "true"}
        query = urlencode({"workflowType": "machine_learning", "compareRunsMode": mode} | state)
        pages.append(Page(title, f"{address}/#/experiments/{experiment}/runs?{query}"))
    return pages


def _runs(which: str) -> dict[str, Any]:
    """The state of the page's list of runs; the UI knows these keys also in an address."""
    return {"searchFilter": which, "orderByKey": _BY_NAME, "orderByAsc": True}


def _columns(tags: Sequence[str], metrics: Sequence[str]) -> dict[str, Any]:
    """The state of the table's columns."""
    names = {f"tags.`{tag}`": tag for tag in tags} | {f"metrics.`{metric}`": metric for metric in metrics}
    widths = {column: _WIDTHS.get(name, _WIDTH) for column, name in names.items()}
    return {"selectedColumns": list(names), "columnOrder": list(names), "columnWidths": widths}


def _charts(metrics: Sequence[str]) -> dict[str, Any]:
    """The state of the charts: these metrics above MLflow's sections, with a line for every run."""
    axes = {"xAxisKey": "step", "yAxisKey": "metric", "xAxisScaleType": "linear", "scaleType": "linear", "range": {}}
    line = axes | {"type": "LINE", "metricSectionId": "gavel", "useGlobalXaxisKey": True}
    line |= {"useGlobalLineSmoothing": True, "lineSmoothness": 0}
    section = {"uuid": "gavel", "name": "Validation", "display": True, "columns": 2, "cardHeight": 400}
    charts = [line | {"uuid": f"gavel-{one}", "metricKey": one, "selectedMetricKeys": [one]} for one in metrics]
    return {
        "compareRunCharts": charts,
        "compareRunSections": [section],
        "isAccordionReordered": True,  # else MLflow sorts its own sections before this one
        "runsHiddenMode": "SHOW_ALL",
    }
