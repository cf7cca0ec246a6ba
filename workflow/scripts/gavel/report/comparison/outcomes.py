"""A study's greedy accuracies, for comparison with those of other studies."""

from types import SimpleNamespace
from typing import Any, NamedTuple

from gavel.report.plots import style
from gavel.report.results import Results
from gavel.study.layout import run_name


class Outcome(NamedTuple):
    """The greedy accuracy of a run, or of the runs that differ only in their seed.

    Attributes:
        key: the run's name, or of several seeds that without a seed; the same in every study.
        row: with `value`, `low` and `high`; None if the run was not evaluated.
        gain: the difference from the baseline, with `difference`, `low` and `high`; None for the baseline itself.
    """

    key: str
    label: str
    algorithm: str
    lam: float | None
    row: Any
    gain: Any


def outcomes(study: Results, name: str, checkpoint: str = "last") -> list[Outcome]:
    """The baseline and every run on a test set; runs of several seeds as their mean, except for `best` checkpoints."""
    first = study.baseline
    base = study.runs[first.run]
    found = [Outcome(first.run, first.label, base["algorithm"], None, study.metric(first.run, name, "greedy"), None)]
    pooled = study.seeds[(study.seeds.set == name) & (study.seeds.metric == "greedy")]
    means = (
        {(row["algorithm"], row["lambda"]): row for row in pooled.to_dict("records")} if checkpoint == "last" else {}
    )
    for (algorithm, lam), row in means.items():
        value = SimpleNamespace(value=row["value"], low=row["low"], high=row["high"])
        bounds = {"low": row["difference_low"], "high": row["difference_high"]}
        gain = SimpleNamespace(difference=row["difference"], **bounds)
        text = f"{style.label('', algorithm, lam)}, mean of {row['seeds']:.0f} seeds"
        found.append(Outcome(run_name(algorithm, lam, None), text, algorithm, lam, value, gain))
    for run, about in study.runs.items():
        algorithm, lam = about["algorithm"], about["lambda"]
        if run != first.run and (algorithm, lam) not in means:
            row = study.metric(run, name, "greedy", 1, checkpoint)
            gain = study.comparison(run, first.run, name, "greedy", 1, checkpoint)
            found.append(Outcome(run, study.names[run], algorithm, lam, row, gain))
    return found
