"""The run that is published, and what the study's files say about it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, TypedDict, cast

import pandas as pd

from gavel.common.errors import InputError
from gavel.common.files import read_json
from gavel.data import rollouts
from gavel.evaluation.metrics import main_checkpoint
from gavel.frames.files import csv_table
from gavel.judge.kinds import CONTROL_REWARDS
from gavel.report.comparison.page import load_study
from gavel.report.provenance import hub_records
from gavel.report.results import Results
from gavel.report.sections.summary_sentences import simulated_judge
from gavel.study import layout
from gavel.study.schema.study import fill_defaults
from gavel.tracking.job_record import JobRecord
from gavel.tracking.study import records

JUDGED_SFT = "judge-accepted"  # the control that trains on what the judge accepts


class HubSource(TypedDict):
    """A model or data set from the hub (`gavel.data.hub`); `file` is the only file that was taken."""

    kind: str
    name: str
    revision: str | None
    commit: str
    file: NotRequired[str]


class Chosen(NamedTuple):
    """A finished run of a finished study.

    Attributes:
        about: its run.json (`gavel.training.records.RunSummary`).
        checkpoint: the folder of its main checkpoint.
        sources: what the study has read from the hub: folder below `hub/` -> source.
    """

    results: Results
    run: str
    about: dict[str, Any]
    checkpoint: str
    sources: dict[str, HubSource]

    @property
    def name(self) -> str:
        """The run in words."""
        return self.results.names[self.run]

    @property
    def is_baseline(self) -> bool:
        """Whether the others are compared with it."""
        return self.run == self.results.baseline.run

    @property
    def tables(self) -> Any:
        """What has the run's `metrics` and `comparisons`: the results, or those of the controls."""
        controls = self.results.controls
        return controls if self.run in controls.runs else self.results


class Plan(NamedTuple):
    """What is published, and where.

    Attributes:
        repo: the model's name on the hub, if it is known yet.
        base: the hub's name of the model that the published one was made from, if the study does not tell it.
        adapters: publish LoRA adapters in place of the merged model.
        dataset: publish samples and rollouts too.
        answers: publish the withheld gold answers of unlabelled questions too.
    """

    repo: str | None = None
    base: str | None = None
    adapters: bool = False
    dataset: bool = True
    answers: bool = False

    @property
    def dataset_repo(self) -> str | None:
        """The data set's name on the hub."""
        return f"{self.repo}-data" if self.repo else None


class Score(NamedTuple):
    """A run's accuracy on a test set; rows of metrics.csv and comparisons.csv, None where there is none.

    Attributes:
        measure: `greedy` or `maj@k`.
    """

    set: str
    measure: str
    own: Any
    baseline: Any
    difference: Any


def choose(folder: str, run: str | None = None) -> Chosen:
    """Read a study and find a run in it.

    Args:
        folder: its results folder.
        run: by default the run of the primary comparison, the first one of several seeds.

    Raises:
        InputError: the study or the run is not finished, there is no such run, or it is not a trained model.
    """
    results = load_study(folder, fill_defaults)
    runs = results.runs | results.controls.runs
    run = results.primary["runs"][0] if run is None else run
    if run not in runs:
        raise InputError(f"{folder}: no run {run!r}; choose from {', '.join(runs)}")
    about = runs[run]
    if about["status"] != "finished":
        raise InputError(f"{folder}: {run} is not finished ({about['status']}); run the study to its end first")
    if about["algorithm"] == "base":
        raise InputError(f"{folder}: {run} is the student before any training; name a run that was trained")
    checkpoint = layout.checkpoints(results.study | {"results_dir": folder})[run].main
    chosen = Chosen(results, run, about, checkpoint, cast("dict[str, HubSource]", hub_records(results.files)))
    if not any(score.own is not None for score in scores(chosen)):
        raise InputError(f"{folder}: {run} has no test results in metrics.csv; run the study to its end first")
    return chosen


def title(chosen: Chosen, plan: Plan) -> str:
    """The published model's name."""
    return plan.repo.rpartition("/")[2] if plan.repo else f"{chosen.results.study['study']}-{chosen.run}"


def scores(chosen: Chosen) -> Iterator[Score]:
    """Greedy accuracy and maj@k, at the largest k, on every test set."""
    results, first = chosen.results, chosen.results.baseline
    k = results.top_k
    for name in results.sets:
        for metric, number in [("greedy", 1), *([("maj", k)] if k else [])]:
            wanted = {"run": chosen.run, "set": name, "metric": metric, "k": number}
            wanted["checkpoint"] = main_checkpoint(chosen.run)
            own = _row(chosen.tables.metrics, wanted)
            measure = "greedy" if metric == "greedy" else f"maj@{number}"
            if chosen.is_baseline:
                yield Score(name, measure, own, None, None)
                continue
            difference = _row(chosen.tables.comparisons, wanted | {"baseline": first.run})
            yield Score(name, measure, own, results.metric(first.run, name, metric, number), difference)


def _row(table: pd.DataFrame, wanted: dict[str, Any]) -> Any:
    """The first row with these values as a named tuple, or None."""
    for column, value in wanted.items():
        table = table[table[column] == value]
    return next(table.itertuples(index=False), None)


def monitor(chosen: Chosen) -> pd.DataFrame:
    """The run's validations; without rows if it has none."""
    path = Path(chosen.results.files.runs(chosen.run).monitor)
    return csv_table(path) if path.exists() and path.stat().st_size else pd.DataFrame()


def is_selected(chosen: Chosen) -> bool:
    """Whether validation has selected the checkpoint among the run's."""
    if not (ended := chosen.about.get("ended")):
        return chosen.run == "sft"
    from gavel.training.rl.validation_actions import ROLLS_BACK  # torch takes seconds, and few runs end early

    return ended["action"] in ROLLS_BACK


def asks_judge(chosen: Chosen) -> bool:
    """Whether the judge's scores have trained the run."""
    if control := chosen.about.get("control"):
        return bool(control == JUDGED_SFT)
    if chosen.about["algorithm"] == "sft":
        return False
    schedule = chosen.about["settings"].get("lambda_schedule") or {}
    return bool(min(chosen.about["lambda"], schedule.get("start", 1.0)) < 1)


def knows_all_answers(chosen: Chosen) -> bool:
    """Whether the run is a control that was trained with the gold answers of unlabelled questions."""
    reward = CONTROL_REWARDS.get(chosen.about.get("control") or "")
    return reward is not None and reward.answers


def rewards_tell_answers(chosen: Chosen) -> bool:
    """Whether the rewards of unlabelled completions were computed from their gold answers."""
    return knows_all_answers(chosen) or (asks_judge(chosen) and simulated_judge(chosen.results) is not None)


def training_commit(chosen: Chosen) -> str | None:
    """The commit of Gavel that trained the run, from the job's record; None if there is none."""
    rule = "sft" if chosen.about["algorithm"] == "sft" else "rl"
    path = records(chosen.results.files.root) / f"{rule}-{chosen.run}.json"
    return JobRecord.load(path).tags.get("git_commit") if path.exists() else None


def has_rollouts(chosen: Chosen) -> bool:
    """Whether the run has kept completions of its training."""
    return Path(chosen.results.files.runs(chosen.run).rollouts, rollouts.FILE).is_file()


def source_of(chosen: Chosen, key: str) -> HubSource | None:
    """The hub's data set that a source of section `data` was read from, such as `train` or `tests.<name>`."""
    return chosen.sources.get(f"data/{key}")


def card_of(chosen: Chosen, what: str) -> dict[str, Any]:
    """The metadata of the card that came with a model or data set from the hub; empty if there is none."""
    from huggingface_hub import metadata_load

    path = Path(chosen.results.files.hub(what), "README.md")
    try:
        return (metadata_load(path) if path.is_file() else None) or {}
    except ValueError:  # another's card may be malformed
        return {}


def read_prompt(chosen: Chosen) -> dict[str, Any] | None:
    """The first prompt of the run's evaluation (`gavel.models.records.RenderedPrompt`), or None."""
    path = Path(chosen.results.files.prompt(chosen.run))
    return read_json(path) if path.exists() else None
