"""One page about several studies: their headline results side by side, and against what they differ in."""

import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from types import UnionType
from typing import Any

import pandas as pd

from gavel.common.errors import InputError
from gavel.report import page
from gavel.report.cells import Table, difference_cell, interval, listing, points, share_cell, text
from gavel.report.comparison import cost, tables
from gavel.report.comparison.tables import overview_table, paired_table
from gavel.report.figure import Figure, seeds_sentence
from gavel.report.plots.results import accuracy_against
from gavel.report.results import NUMBER, Results, load
from gavel.report.sections import judge_benchmark, judge_training
from gavel.study import config_files
from gavel.study.layout import Layout

# What the page reads of a study's config, where it is there. Other keys may be another version's.
SHAPES: dict[str, type | UnionType] = {
    "primary": dict | None,
    "rl": dict | None,
    "judge": dict | None,
    "evaluation": dict | None,
    "rl.algorithms": list,
    "rl.lambda": list,
    "rl.seeds": list,
    "judge.reasoning": dict | None,
    "judge.self_taught": dict | None,
    "judge.rl": dict | None,
    "judge.scratch": dict | None,
    "judge.scratch.steps": NUMBER,
    "primary.algorithm": str,
    "primary.lambda": NUMBER,
    "primary.seed": NUMBER,
    "primary.test_set": str,
    "primary.metric": str,
}
LISTED = {"rl.algorithms": str, "rl.lambda": NUMBER, "rl.seeds": NUMBER}
AXES = {
    "variant": "",
    "labels": "labelled problems",
    "judge_auc": "AUC of the judge within questions, on the SFT policy",
    "judge_tokens": cost.AXIS,
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
        folders: name of each study -> its results folder, with a report's files and `config.yaml`.
        out: the page to write; it links to the studies' own reports.
        axis: a key of `AXES`: what accuracy is drawn against.
        figures_dir: if given, figures and their data are also written there.
        command: what made the page, to be shown on it.
        complete: what fills in keys that the config of an earlier version lacks.

    Raises:
        InputError: a folder is not that of a study with a report.
    """
    studies = {name: load_study(folder, complete) for name, folder in folders.items()}
    least = min(studies.values(), key=lambda study: len({about.get("seed") for about in study.runs.values()}))
    figure = accuracy_figure(studies, axis)
    tried = judge_benchmark.labelled({name: study.judge_benchmark for name, study in studies.items()})
    costs, trained = judge_benchmark.cost_figure(tried), trained_judges(studies)
    context = {
        "title": title,
        "question": question,
        "answer": answer(studies, axis),
        "figure": figure,
        "tables": [(sized(studies, name), headline_table(studies, name)) for name in test_sets(studies)],
        "best": [(sized(studies, name), headline_table(studies, name, "best")) for name in test_sets(studies)],
        "choices": {
            sized(studies, name): table
            for name in test_sets(studies)
            if (table := tables.choices_table(studies, name)).rows
        },
        "first": next(iter(studies)),
        "paired": {
            sized(studies, name): table for name in test_sets(studies) if (table := paired_table(studies, name)).rows
        },
        "judges": None
        if tried.empty
        else {"table": judge_benchmark.judge_table(tried), "asked": judge_benchmark.asked_about(tried)},
        "costs": costs,
        "judge_training": trained,
        "spending": cost.cost_table(studies) if axis == "judge_tokens" else None,
        "about": overview_table(studies),
        "generated": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command,
        "seeds": seeds_sentence(least),
        "links": {name: page.address(study.files.report, out) for name, study in studies.items()},
    }
    page.write_page("page.comparison.j2", context, out)
    if figures_dir is not None:
        page.write_figures([figure, costs, *(about["figure"] for about in trained.values())], Path(figures_dir))


def trained_judges(studies: Mapping[str, Results]) -> dict[str, dict[str, Any]]:
    """Of each study whose judge is trained: whether that made it better, in words, drawn, and in figures."""
    found = {}
    for name, study in studies.items():
        if taught := judge_training.stages(study):
            figure = judge_training.progress_figure(study, taught)
            figure.name += f"-{name}"
            about = {
                "sentence": judge_training.summary(study, taught),
                "gains": judge_training.gain_table(study, taught),
            }
            found[name] = about | {"figure": figure, "unfinished": judge_training.unfinished_stages(taught)}
    return found


def load_study(folder: str | Path, complete: Callable[[dict[str, Any]], dict[str, Any]] = dict) -> Results:
    """A finished study.

    Args:
        complete: what fills in keys that the config of an earlier version lacks.

    Raises:
        InputError: there is none, or one of its files is malformed.
    """
    path = Path(Layout(folder).config)
    if not path.is_file():
        raise InputError(f"{path}: no such file; a study writes it with its report (`snakemake ... report.html`)")
    found = config_files.read(path)
    try:
        config = complete(found)
    except InputError as error:
        raise error if str(path) in str(error) else InputError(f"{path}: {error}") from None
    _check_config(found, path)
    study = load(folder, config)
    if study.metrics.empty:
        raise InputError(f"{folder}: metrics.csv is missing or empty; finish the study first, or leave it out")
    return study


def _check_config(config: dict[str, Any], path: Path) -> None:
    """Raises `InputError` where a study's config is not as the page needs it."""
    copy = "copy the file again from the study's results"
    for key, kind in SHAPES.items():
        *sections, name = key.split(".")
        where = config
        for section in sections:
            where = where.get(section) or {}
        if name in where:
            value = where[name]
            if not _is(value, kind) or (key in LISTED and not all(_is(one, LISTED[key]) for one in value)):
                raise InputError(f"{path}: {key} is not as a study's config has it, found {value!r}; {copy}")
        elif sections == ["primary"] and where:
            raise InputError(f"{path}: {key} is missing, without which no comparison is named; {copy}")


def _is(value: object, kind: type | UnionType) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def test_sets(studies: Mapping[str, Results]) -> list[str]:
    """All test sets, in the order of the first study that has them."""
    return list(dict.fromkeys(name for study in studies.values() for name in study.sets))


def sized(studies: Mapping[str, Results], name: str) -> str:
    """A test set's name with its number of questions, or numbers where the studies differ."""
    sizes = dict.fromkeys(study.size(name) for study in studies.values() if name in study.sets)
    return f"{name} ({' or '.join(f'{size:,}' for size in sizes)} questions)"


def places(studies: Mapping[str, Results], axis: str) -> dict[str, float | None]:
    """Where each study stands on the axis; None where that is not known."""
    if axis == "labels":
        return {name: ((study.splits or {}).get("counts") or {}).get("labeled") for name, study in studies.items()}
    if axis == "judge_auc":
        return {name: (study.calibration or {}).get("auc_within") for name, study in studies.items()}
    if axis == "judge_tokens":
        return {name: cost.judge_tokens(study) for name, study in studies.items()}
    return {name: float(number) for number, name in enumerate(studies)}


def answer(studies: Mapping[str, Results], axis: str) -> str:
    """The primary comparison in every study; of a token axis first which judge comes farthest and which is cheapest."""
    shown = {"labels": " ({:,} labels)", "judge_auc": " (AUC {:.2f})", "judge_tokens": " ({:,.0f} judge tokens)"}
    kinds = {name: f"{study.names[study.primary['run']]} on {study.primary['set']}" for name, study in studies.items()}
    alike = len(set(kinds.values())) == 1
    found, where = [], places(studies, axis)
    for name, study in studies.items():
        wanted = study.primary
        row = study.comparison(wanted["run"], "sft", wanted["set"], wanted["metric"], wanted["k"])
        place = shown.get(axis, "").format(where[name]) if where[name] is not None else ""
        place += "" if alike else f" ({kinds[name]})"
        found.append(
            f"{name}{place}: " + (f"{points(row.difference)} points ({interval(row)})" if row else "no result")
        )
    what = next(iter(kinds.values())) if alike else "The primary run of each"
    text = f"{what} minus SFT, with paired 95 % intervals. {'; '.join(found)}."
    first = cost.cost_sentence(studies) if axis == "judge_tokens" else None
    last = tables.labels_sentence(studies) if axis == "labels" else None
    return " ".join(filter(None, (first, text, last)))


def accuracy_figure(studies: Mapping[str, Results], axis: str) -> Figure:
    """Greedy accuracy of every kind of run (of the judge's tokens: of the primary one) against the axis, a panel per
    test set."""
    if axis == "judge_tokens":
        return cost.cost_figure(studies, test_sets(studies))
    figure = Figure("accuracy-against-" + axis.replace("_", "-"), missing="No run has been evaluated.")
    where, kept = places(studies, axis), []
    for name in test_sets(studies):
        rows = []
        for label, study in studies.items():
            for run in study.runs:
                row = study.metric(run, name, "greedy")
                if row is not None and where[label] is not None:
                    about = study.runs[run]
                    rows.append(
                        {"study": label, "x": where[label], "run": run, "set": name, "label": study.names[run]}
                        | {"algorithm": about["algorithm"], "lambda": about["lambda"]}
                        | {"value": row.value, "low": row.low, "high": row.high}
                    )
        if rows:
            table = pd.DataFrame(rows)
            kept.append(table)
            figure.panels.append((f"{name}, greedy", accuracy_against(table, AXES[axis])))
    if not kept:
        return figure
    figure.data = pd.concat(kept)
    unknown = [name for name, place in where.items() if place is None]
    figure.caption = (
        "Greedy accuracy with Wilson's 95 % intervals over questions; RL runs at their last step, SFT at its best by "
        "validation. "
        "Points at the same place are drawn side by side. "
        + (f"Not drawn, because their place is not known: {listing(unknown)}. " if unknown else "")
        + seeds_sentence(next(iter(studies.values())))
    )
    return figure


def headline_table(studies: Mapping[str, Results], name: str, checkpoint: str = "last") -> Table:
    """Rows: studies. Columns: greedy accuracy of SFT, then each kind of run and its paired difference from SFT.

    Args:
        name: the test set.
        checkpoint: of the RL runs, `last` or `best` (by validation).
    """
    runs = {run: study.names[run] for study in studies.values() for run in study.runs if run != "sft"}
    columns = [("study", ""), ("SFT", "greedy accuracy in %")]
    for label in runs.values():
        columns += [(label, "greedy accuracy in %"), ("Δ SFT", "in points, paired")]
    table = Table(columns, [])
    for label, study in studies.items():
        cells = [text(label), share_cell(study.metric("sft", name, "greedy"))]
        for run in runs:
            gain = study.comparison(run, "sft", name, "greedy", 1, checkpoint)
            row = study.metric(run, name, "greedy", 1, checkpoint) if run in study.runs else None
            cells += [share_cell(row), difference_cell(gain, bold=gain is not None and gain.low > 0)]
        table.rows.append(cells)
    return table
