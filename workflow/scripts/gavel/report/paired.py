"""Runs of one study against those of another, question by question."""

from collections.abc import Mapping
from types import SimpleNamespace

from gavel.files import read_jsonl
from gavel.metrics import compare
from gavel.report.load import Results
from gavel.report.words import Table, difference_cell, p_cell, text
from gavel.statistics import holm


def verdicts(study: Results, run: str, name: str) -> dict[tuple[str, str, str], float | None]:
    """(id, question, gold answer) of a test set -> 1.0 where a run's greedy solution is right, None where its program
    did not run; empty without samples.

    The words are part of the key, since the same id may stand for another question in another study's data.
    """
    path = study.root / "evaluation" / run / name / "samples.jsonl"
    if not path.exists():
        return {}
    rows = (row for row in read_jsonl(path) if row["sample"] < 0)  # the greedy one
    return {
        (row["id"], row["question"], row["gold"]): None if row["correct"] is None else float(row["correct"])
        for row in rows
    }


def counterpart(study: Results, run: str, first: Results) -> str | None:
    """The run of `first` that a run is held against: its namesake, or for the primary run the primary one."""
    if run in first.runs:
        return run
    return first.primary.get("run") if run == study.primary.get("run") else None


def against_first(studies: Mapping[str, Results], name: str) -> Table:
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
