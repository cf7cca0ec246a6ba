"""The studies of a comparison side by side: what they differ in and what became of them, their runs question by
question, their votes, and their gains in labels."""

from collections.abc import Mapping, Sequence
from math import exp, log
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl
from gavel.common.nested import dotted
from gavel.evaluation.metrics import compare
from gavel.report.cells import (
    MISSING,
    Cell,
    Table,
    count,
    difference_cell,
    listing,
    p_cell,
    percent,
    share_cell,
    text,
)
from gavel.report.results import Results
from gavel.report.sections.votes import COLUMNS, picked_from
from gavel.stats.intervals import holm

NAMING = ("study", "question", "results_dir", "tracking", "shared", "sweep", "provenance")  # tell no study's settings


def overview_table(studies: Mapping[str, Results]) -> Table:
    """Rows: studies. Columns: what differs, labels, the judge's figures, which runs collapsed or were ended."""
    first = next(iter(studies))
    columns = [("study", ""), (f"differs from {first} in", "keys of the config")]
    columns += [("labels", ""), ("unlabelled", ""), ("judge: AUC within questions", ""), ("accuracy", "")]
    table = Table([*columns, ("collapsed", "as the monitor defines it"), ("ended early", "")], [])
    different = differences(studies)
    for label, study in studies.items():
        counts, judge = (study.splits or {}).get("counts") or {}, study.calibration or {}
        auc, right = judge.get("auc_within"), judge.get("accuracy")
        fallen = [study.names[run] for run in study.monitors if study.collapse(run) is not None]
        table.rows.append(
            [
                text(label),
                text(different[label] or ("–" if label == first else "nothing")),
                count(counts.get("labeled")),
                count(counts.get("unlabeled")),
                MISSING if auc is None else Cell(f"{auc:.3f}", sort=auc),
                MISSING if right is None else Cell(f"{percent(right)} %", sort=right),
                text(listing(fallen)),
                text(listing([study.names[run] for run, about in study.runs.items() if about.get("ended")])),
            ]
        )
    return table


def differences(studies: Mapping[str, Results]) -> dict[str, str]:
    """The keys of the config in which each study differs from the first one, with its values.

    A section that only one of the two has is 'on' or 'off', since most of its keys are defaults; 'on' with those in
    which the studies that have it differ.
    """
    flat = {
        name: dotted({key: value for key, value in study.study.items() if key not in NAMING})
        for name, study in studies.items()
    }
    first = next(iter(flat.values()))
    return {name: ", ".join(_changed(leaves, first, list(flat.values()))) for name, leaves in flat.items()}


def _changed(leaves: dict[str, Any], first: dict[str, Any], every: Sequence[dict[str, Any]]) -> list[str]:
    found, keys = [], {**first, **leaves}
    switched = {key for one in (leaves, first) for key in one if any(other.startswith(f"{key}.") for other in keys)}
    for key in keys:
        if key in switched:
            found.append(f"{key}: off" if key in leaves else f"{key}: on{_own(leaves, f'{key}.', every)}")
        elif repr(leaves.get(key)) != repr(first.get(key)) and not any(key.startswith(f"{one}.") for one in switched):
            found.append(f"{key}: {leaves.get(key)}")
    return found


def _own(leaves: dict[str, Any], section: str, every: Sequence[dict[str, Any]]) -> str:
    """A section's values that are not the same in all studies that have them."""
    varied = [
        f"{key.removeprefix(section)}: {value}"
        for key, value in leaves.items()
        if key.startswith(section) and len({repr(one[key]) for one in every if key in one}) > 1
    ]
    return f" ({', '.join(varied)})" if varied else ""


def paired_table(studies: Mapping[str, Results], name: str) -> Table:
    """Rows: runs of the later studies that have a counterpart in the first one and the same questions; an SFT baseline
    with the very same answers, as studies of a sweep share it, is left out.

    Greedy accuracy minus the counterpart's on the same questions, with the paired bootstrap's 95 % interval, McNemar's
    p, and Holm's correction of it over the rows of this table.
    """
    (label, first), *others = studies.items()
    columns = [("study", ""), ("run", ""), (f"{label}'s", "the run that it is compared with")]
    columns += [("difference", "greedy accuracy, in points"), ("p, McNemar", ""), ("p, Holm", "corrected")]
    found, known = [], {}
    for other, study in others:
        for run in study.runs:
            partner = counterpart(study, run, first)
            own = verdicts(study, run, name)
            if partner is None or not own:
                continue
            if partner not in known:
                known[partner] = verdicts(first, partner, name)
            shared = run == "sft" and own == known[partner]
            if own.keys() == known[partner].keys() and not shared:
                ran = [key for key in own if None not in (own[key], known[partner][key])]
                both = ({key: side[key] for key in ran} for side in (own, known[partner]))
                if ran:
                    found.append((other, study.names[run], first.names[partner], compare(*both)))
    table = Table(columns, [])
    adjusted = holm([row["mcnemar_p"] for *_, row in found])
    for (other, run, partner, row), p in zip(found, adjusted, strict=True):
        shown = [text(other), text(run), text(partner), difference_cell(SimpleNamespace(**row), bold=p < 0.05)]
        table.rows.append([*shown, p_cell(row["mcnemar_p"]), p_cell(p)])
    return table


def counterpart(study: Results, run: str, first: Results) -> str | None:
    """The run of `first` that a run is held against: its namesake, or for the primary run the primary one."""
    if run in first.runs:
        return run
    return first.primary["run"] if run == study.primary["run"] else None


def verdicts(study: Results, run: str, name: str) -> dict[tuple[str, str, str], float | None]:
    """(id, question, gold answer) of a test set -> 1.0 where a run's greedy solution is right, None where its program
    did not run; empty without samples.

    The words are part of the key, since the same id may stand for another question in another study's data.
    """
    path = study.files.evaluation(run, name).samples
    if not Path(path).exists():
        return {}
    found = {}
    for row in read_jsonl(path):
        fits = all(isinstance(row.get(key), str) for key in ("id", "question", "gold"))
        fits = fits and isinstance(row.get("sample"), int) and isinstance(row.get("correct", ""), bool | None)
        if not fits:
            raise InputError(f"{path}: a row is no scored sample; delete it and run the study again")
        if row["sample"] < 0:  # the greedy one
            found[row["id"], row["question"], row["gold"]] = None if row["correct"] is None else float(row["correct"])
    return found


def choices_table(studies: Mapping[str, Results], name: str) -> Table:
    """One test set: rows are SFT and the primary run of each study, columns the votes and choices among all samples.

    A study whose judge scores single solutions has no ratings and no knockout, and stands beside those that have; no
    rows where none has them.
    """
    if all(picked_from(study, name) is None for study in studies.values()):
        return Table([], [])
    table = Table([("study", ""), ("run", ""), ("n", "samples of a question")], [])
    table.columns += [(title.format(n="n"), hint + ", in %") for title, hint in COLUMNS.values()]
    for label, study in studies.items():
        n = picked_from(study, name) or study.top_k
        for run in dict.fromkeys(["sft", study.primary["run"]]):
            found = [study.metric(run, name, metric, n) for metric in COLUMNS] if n else []
            if any(found):
                cells = [text(label), text(study.names[run]), Cell(str(n), sort=n)]
                table.rows.append(cells + [share_cell(row) for row in found])
    return table


def labels_sentence(studies: Mapping[str, Results]) -> str | None:
    """The primary runs' accuracies in labels; None unless two studies that differ in labels have what it takes."""
    curve, reached = {}, []
    for study in studies.values():
        labels = ((study.splits or {}).get("counts") or {}).get("labeled")
        if not labels:
            continue
        run, name = study.primary["run"], study.primary["set"]
        base, own = study.metric("sft", name, "greedy"), study.metric(run, name, "greedy")
        if base and own:
            curve[labels] = base.value
            reached.append((labels, own.value, f"{study.names[run]} on {name}"))
    if len(curve) < 2 or len({what for *_, what in reached}) > 1:
        return None
    points, reached = sorted(curve.items()), sorted(reached)
    needed = [labels_for(value, points) for _, value, _ in reached]
    told = [f"about {number:,.0f}" if number else f"more than {points[-1][0]:,}" for number in needed]
    return (
        f"In labels: what {reached[0][2]} reaches with {listing([f'{labels:,}' for labels, *_ in reached])}, SFT alone "
        f"would reach with {listing(told)} (straight lines between the SFT baselines, labels on a logarithmic scale)."
    )


def labels_for(value: float, curve: Sequence[tuple[int, float]]) -> float | None:
    """Where a curve of (labels, accuracy), labels rising, first reaches a value; None if it never does.

    Straight lines between its points, labels on a logarithmic scale; its first number of labels for a value below it.
    """
    before, low = curve[0]
    if value <= low:
        return float(before)
    for labels, accuracy in curve[1:]:
        if accuracy >= value:
            part = (value - low) / (accuracy - low)
            return exp(log(before) + part * (log(labels) - log(before)))
        before, low = labels, accuracy
    return None
