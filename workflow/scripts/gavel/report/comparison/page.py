"""The page that compares several studies: their main results side by side, and against what they differ in."""

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple

import pandas as pd

from gavel.common.errors import InputError
from gavel.frames.files import NUMBER
from gavel.report import page
from gavel.report.baseline import shared_baseline
from gavel.report.cells import Table, difference_cell, estimate_cell, interval, join_words, points, text
from gavel.report.comparison import judge_cost, tables
from gavel.report.comparison.outcomes import outcomes
from gavel.report.comparison.tables import overview_table, paired_table
from gavel.report.figure import Figure, seeds_sentence
from gavel.report.glossary import GLOSSARY
from gavel.report.plots.results import accuracy_against
from gavel.report.results import Results, load
from gavel.report.sections import controls, judge_benchmark, judge_training
from gavel.study import config_files
from gavel.study.layout import Layout
from gavel.study.results_version import check_version

# Types of the config keys that the page reads; all are optional, and other keys may be from another version. The schema
# is not imported, because every change there would then rerun the page; a test compares both.
SHAPES: dict[str, type | UnionType] = {
    "primary": dict | None,
    "sft": dict | None,
    "rl": dict | None,
    "judge": dict | None,
    "evaluation": dict | None,
    "rl.algorithms": list,
    "rl.lambda": list,
    "rl.seeds": list,
    "judge.reasoning": dict | None,
    "judge.self_taught": dict | None,
    "judge.verifier": dict | None,
    "judge.rl": dict | None,
    "judge.scratch": dict | None,
    "judge.scratch.steps": NUMBER,
    "primary.algorithm": str,
    "primary.lambda": NUMBER,
    "primary.seed": NUMBER | None,
    "primary.test_set": str,
    "primary.metric": str,
}
MAX_LISTED = 8  # studies whose primary comparison is in the answer
LIST_SHAPES = {"rl.algorithms": str, "rl.lambda": NUMBER, "rl.seeds": NUMBER}


@dataclass(frozen=True)
class Axis:
    """What accuracy is plotted against.

    Attributes:
        label: of the axis; empty to show the studies' names.
        position: a study's place on the axis, None if it is unknown; by default the studies keep their order.
        shown: how a sentence about a study states its place, with the number in braces.
        gain: whether the figure shows the difference from the baseline, which all studies share, in place of accuracy.
    """

    label: str = ""
    position: Callable[[Results], float | None] | None = None
    shown: str = ""
    gain: bool = False


AXES = {
    "variant": Axis(),
    "labels": Axis(
        "labelled questions",
        lambda study: ((study.splits or {}).get("counts") or {}).get("labeled"),
        " ({:,} labels)",
    ),
    "judge_auc": Axis(
        "judge's AUC within questions, on {baseline}",
        lambda study: (study.calibration or {}).get("auc_within"),
        " (AUC {:.2f})",
        gain=True,
    ),
    "judge_j": Axis(
        "judge's Youden's J, on {baseline}",
        lambda study: (study.calibration or {}).get("youden_j"),
        " (J {:+.2f})",
        gain=True,
    ),
    "bias_strength": Axis(
        "strength of the simulated judge's bias",
        lambda study: ((study.study["judge"]["simulated"] or {}).get("bias") or {"strength": 0.0})["strength"],
        " (strength {:.2f})",
        gain=True,
    ),
    "judge_tokens": Axis(judge_cost.AXIS, judge_cost.judge_tokens, " ({:,.0f} judge tokens)"),
}


def render(
    folders: Mapping[str, str | Path],
    out: str | Path,
    *,
    title: str,
    question: str,
    axis: str = "variant",
    figures_dir: str | Path | None = None,
    command: str | None = None,
    complete: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> None:
    """Write the page.

    Args:
        folders: name of each study -> its results folder, with the files behind a report and `config.yaml`.
        out: the page to write; it links to the studies' own reports.
        axis: a key of `AXES`; accuracy is plotted against it.
        figures_dir: if given, figures and their data are also written there.
        command: the command that made the page, to show on it.
        complete: adds the keys that a config from an earlier version lacks.

    Raises:
        InputError: a folder is not that of a finished study, or one of its files is malformed.
    """
    studies = {name: load_study(folder, complete) for name, folder in folders.items()}
    ordered = in_order(studies, axis)
    fewest_seeds = min(studies.values(), key=lambda study: len({about.get("seed") for about in study.runs.values()}))
    figure = accuracy_figure(studies, axis)
    benchmarks = judge_benchmark.combine_tables({name: study.judge_benchmark for name, study in studies.items()})
    first = shared_baseline(study.baseline for study in studies.values())
    costs, trained = judge_benchmark.cost_figure(benchmarks, first), trained_judges(studies)
    context = {
        "title": title,
        "question": question,
        "answer": headline_sentence(studies, axis),
        "figure": figure,
        "tables": [(name_with_size(studies, name), main_results_table(ordered, name)) for name in test_sets(studies)],
        "best": [
            (name_with_size(studies, name), main_results_table(ordered, name, "best")) for name in test_sets(studies)
        ],
        "choices": {
            name_with_size(studies, name): table
            for name in test_sets(studies)
            if (table := tables.choices_table(studies, name)).rows
        },
        "baseline": first,
        "first": next(iter(studies)),
        "paired": {
            name_with_size(studies, name): table
            for name in test_sets(studies)
            if (table := paired_table(studies, name)).rows
        },
        "judges": None
        if benchmarks.empty
        else {
            "table": judge_benchmark.judge_table(benchmarks),
            "about": judge_benchmark.about_pairs(benchmarks, first),
        },
        "costs": costs,
        "judge_training": trained,
        "spending": judge_cost.cost_table(studies) if axis == "judge_tokens" else None,
        "controls": {name: controls.controls_table(study) for name, study in studies.items() if study.controls.runs},
        "about": overview_table(studies),
        "glossary": GLOSSARY,
        "generated": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command,
        "seeds": seeds_sentence(fewest_seeds),
        "links": {name: page.relative_url(study.files.report, out) for name, study in studies.items()},
    }
    page.write_page("page.comparison.j2", context, out)
    if figures_dir is not None:
        page.write_figures([figure, costs, *(about["figure"] for about in trained.values())], Path(figures_dir))


def trained_judges(studies: Mapping[str, Results]) -> dict[str, dict[str, Any]]:
    """Study -> the summary, table and figure of its judge's training, for studies that train their judge."""
    trained = {}
    for name, study in studies.items():
        if stages := judge_training.stages(study):
            figure = judge_training.progress_figure(study, stages)
            figure.name += f"-{name}"
            about = {
                "sentence": judge_training.summary(study, stages),
                "gains": judge_training.gain_table(study, stages),
            }
            trained[name] = about | {"figure": figure, "unfinished": judge_training.unfinished_stages(stages)}
    return trained


def load_study(folder: str | Path, complete: Callable[[dict[str, Any]], dict[str, Any]] = dict) -> Results:
    """Load a finished study.

    Args:
        folder: its results folder.
        complete: adds the keys that a config from an earlier version lacks.

    Raises:
        InputError: the folder has no finished study, one of its files is malformed, or a newer version of Gavel has
            written it.
    """
    check_version(folder)
    path = Path(Layout(folder).config)
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; a study writes it together with its report (`snakemake ... report.html`)"
        )
    found = config_files.read(path)
    try:
        config = complete(found)
    except InputError as error:
        raise error if str(path) in str(error) else InputError(f"{path}: {error}") from None
    _check_config(found, path)
    study = load(folder, config)
    if study.metrics.empty:
        raise InputError(f"{folder}: metrics.csv is missing or empty; finish the study first, or omit it")
    return study


def _check_config(config: dict[str, Any], path: Path) -> None:
    """Raises `InputError` if a study's config lacks a required key or has a value of the wrong type."""
    copy = "copy the file from the study's results again"
    for key, kind in SHAPES.items():
        *sections, name = key.split(".")
        where = config
        for section in sections:
            where = where.get(section) or {}
        if name in where:
            value = where[name]
            if not _is(value, kind) or (key in LIST_SHAPES and not all(_is(one, LIST_SHAPES[key]) for one in value)):
                raise InputError(f"{path}: {key} has the wrong type, found {value!r}; {copy}")
        elif sections == ["primary"] and where:
            raise InputError(f"{path}: {key} is missing; the primary comparison needs it; {copy}")


def _is(value: object, kind: type | UnionType) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def test_sets(studies: Mapping[str, Results]) -> list[str]:
    """All test sets, in the order of the first study that has them."""
    return list(dict.fromkeys(name for study in studies.values() for name in study.sets))


def name_with_size(studies: Mapping[str, Results], name: str) -> str:
    """A test set's name with its number of questions, or several numbers if the studies differ."""
    sizes = dict.fromkeys(study.size(name) for study in studies.values() if name in study.sets)
    return f"{name} ({' or '.join(f'{size:,}' for size in sizes)} questions)"


def axis_positions(studies: Mapping[str, Results], axis: str) -> dict[str, float | None]:
    """Each study's position on the axis; None if unknown."""
    position = AXES[axis].position
    if position is None:
        return {name: float(number) for number, name in enumerate(studies)}
    return {name: position(study) for name, study in studies.items()}


def headline_sentence(studies: Mapping[str, Results], axis: str) -> str:
    """The primary comparison of every study; with the token axis, first the best judge and the cheapest good one.

    Of more than `MAX_LISTED` studies, it only says which gained and which lost; the table has the numbers.
    """
    results, where = dict[str, list[Primary]](), axis_positions(studies, axis)
    for name, study in studies.items():
        primary, place = study.primary, where[name]
        row = study.comparison(primary["run"], study.baseline.run, primary["set"], primary["metric"], primary["k"])
        shown = name + (AXES[axis].shown.format(place).replace("-", "−") if place is not None else "")
        kind = f"{study.names[primary['run']]} on {primary['set']}"
        results.setdefault(kind, []).append(Primary(shown, inf if place is None else place, row))
    alike = len(results) == 1
    what = next(iter(results)) if alike else "The primary run of each study"
    first = shared_baseline(study.baseline for study in studies.values())
    if len(studies) > MAX_LISTED:
        listed = [f"{kind} {_by_outcome(own)}." for kind, own in results.items()]
        text = f"Compared with {first.name} (95 % intervals, in the table below): {' '.join(listed)}"
    else:
        listed = [f"{'' if alike else f'{kind}: '}{_listed(own)}." for kind, own in results.items()]
        text = f"{what} minus {first.name}, in percentage points with paired 95 % intervals. {' '.join(listed)}"
    before = judge_cost.cost_sentence(studies) if axis == "judge_tokens" else None
    after = tables.labels_sentence(studies) if axis == "labels" else None
    return " ".join(filter(None, (before, text, after)))


class Primary(NamedTuple):
    """A study's primary comparison: its name with its place on the axis, that place, and the difference."""

    study: str
    place: float
    row: Any


def _listed(found: Sequence[Primary]) -> str:
    numbers = [f"{points(each.row.difference)} ({interval(each.row)})" if each.row else "no result" for each in found]
    return "; ".join(f"{each.study}: {number}" for each, number in zip(found, numbers, strict=True))


def _by_outcome(found: Sequence[Primary]) -> str:
    """Which studies gained, lost, show no significant difference or have no result, by their places on the axis."""
    groups: dict[str, list[str]] = {
        "gained with": [],
        "lost with": [],
        "shows no significant difference with": [],
        "has no result with": [],
    }
    gained, lost, neither, missing = groups.values()
    for each in sorted(found, key=lambda each: each.place):
        row = each.row
        (missing if not row else gained if row.low > 0 else lost if row.high < 0 else neither).append(each.study)
    return "; ".join(f"{outcome} {join_words(names)}" for outcome, names in groups.items() if names)


def series(names: Iterable[str]) -> dict[str, str]:
    """Study -> the line that it belongs to in a plot against a quantity: what follows the last `_` of its name, if
    several studies have it; otherwise ''."""
    suffixes = {name: name.rpartition("_")[2] if "_" in name else "" for name in names}
    return {name: own if list(suffixes.values()).count(own) > 1 else "" for name, own in suffixes.items()}


def accuracy_figure(studies: Mapping[str, Results], axis: str) -> Figure:
    """Greedy accuracy of every run (for the token axis, of the primary run), or its gain, against the axis, a panel per
    test set."""
    if axis == "judge_tokens":
        return judge_cost.cost_figure(studies, test_sets(studies))
    gain = AXES[axis].gain
    title = f"{'gain' if gain else 'accuracy'}-against-{axis.replace('_', '-')}"
    figure = Figure(title, missing="No run has been evaluated.", wide=not gain, full=gain)
    where, kept, lines = axis_positions(studies, axis), [], series(studies if AXES[axis].position else ())
    first = shared_baseline(study.baseline for study in studies.values())
    for name in test_sets(studies):
        rows = [
            {"study": label, "x": where[label], "run": one.key, "set": name, "label": one.label}
            | {"series": "" if one.gain is None else lines.get(label, "")}
            | {"algorithm": one.algorithm, "lambda": one.lam}
            | ({"value": one.gain.difference, "low": one.gain.low, "high": one.gain.high} if gain else {})
            | ({} if gain else {"value": one.row.value, "low": one.row.low, "high": one.row.high})
            for label, study in studies.items()
            if where[label] is not None
            for one in outcomes(study, name)
            if one.row is not None and not (gain and one.gain is None)
        ]
        if rows:
            table = pd.DataFrame(rows)
            kept.append(table)
            figure.panels.append(
                (
                    f"{name}, greedy",
                    accuracy_against(
                        table, AXES[axis].label.format(baseline=first.policy), first.name if gain else None
                    ),
                )
            )
    if not kept:
        return figure
    figure.data = pd.concat(kept)
    unknown = [name for name, place in where.items() if place is None]
    what = f"Greedy accuracy minus {first.name}'s, in percentage points," if gain else "Greedy accuracy"
    figure.caption = (
        f"{what} with 95 % intervals over questions; of means of several seeds, over seeds and questions. RL "
        f"runs: final checkpoint; {first.label}: {first.checkpoint}. Points with the same x are drawn side by side. "
        + (f"Not shown, because their x is unknown: {join_words(unknown)}. " if unknown else "")
        + seeds_sentence(next(iter(studies.values())))
    )
    return figure


def in_order(studies: Mapping[str, Results], axis: str) -> dict[str, Results]:
    """The studies line by line of the figure, each by its place on the axis."""
    where, lines = axis_positions(studies, axis), series(studies if AXES[axis].position else ())
    order = list(dict.fromkeys(lines.values()))

    def place(name: str) -> tuple[int, float]:
        at = where[name]
        return order.index(lines[name]) if lines else 0, inf if at is None else at

    return {name: studies[name] for name in sorted(studies, key=place)}


def main_results_table(studies: Mapping[str, Results], name: str, checkpoint: str = "last") -> Table:
    """Greedy accuracy of the baseline and of each run, with the run's paired difference from it; rows are studies.

    Args:
        name: the test set.
        checkpoint: the RL runs' checkpoint, `last` or `best` (by validation).
    """
    first = shared_baseline(study.baseline for study in studies.values())
    found = {
        label: {one.key: one for one in outcomes(study, name, checkpoint) if one.key != study.baseline.run}
        for label, study in studies.items()
    }
    labels = {key: one.label for ones in found.values() for key, one in ones.items()}
    columns = [("study", ""), (first.label, "greedy accuracy in %")]
    for label in labels.values():
        columns += [(label, "greedy accuracy in %"), (f"Δ {first.label}", "in percentage points, paired")]
    table = Table(columns, [])
    for label, study in studies.items():
        cells = [text(label), estimate_cell(study.metric(study.baseline.run, name, "greedy"))]
        for key in labels:
            one = found[label].get(key)
            gain = one.gain if one else None
            cells += [estimate_cell(one.row if one else None)]
            cells += [difference_cell(gain, bold=gain is not None and gain.low > 0)]
        table.rows.append(cells)
    return table
