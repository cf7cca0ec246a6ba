"""Tables that compare studies: config differences and outcomes, paired comparisons of runs, best of n, and the labels
that a gain is worth."""

from collections.abc import Mapping, Sequence
from math import exp, log
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl
from gavel.common.nested import flatten
from gavel.evaluation.metrics import compare
from gavel.frames.files import RERUN
from gavel.report.cells import (
    MISSING,
    Cell,
    Table,
    count,
    difference_cell,
    estimate_cell,
    join_words,
    p_cell,
    percent,
    text,
)
from gavel.report.results import Results
from gavel.report.sections.votes import COLUMNS, best_of_size
from gavel.stats.intervals import holm

# Config keys that do not affect results.
NAMING = ("study", "question", "results_dir", "tracking", "shared", "sweep", "provenance")


def overview_table(studies: Mapping[str, Results]) -> Table:
    """Config differences, labels, the judge's metrics, and collapsed or stopped runs; rows are studies."""
    first = next(iter(studies))
    columns = [("study", ""), (f"differs from {first} in", "config keys")]
    columns += [("labels", ""), ("unlabelled", ""), ("judge: AUC within questions", ""), ("judge: accuracy at 0.5", "")]
    table = Table([*columns, ("collapsed", "according to the monitor"), ("ended early", "")], [])
    different = differences(studies)
    for label, study in studies.items():
        counts, judge = (study.splits or {}).get("counts") or {}, study.calibration or {}
        auc, right = judge.get("auc_within"), judge.get("accuracy")
        collapsed = [run for run in study.monitors if study.collapse(run) is not None]
        stopped = [run for run, about in study.runs.items() if about.get("ended")]
        table.rows.append(
            [
                text(label),
                text(different[label] or ("–" if label == first else "nothing")),
                count(counts.get("labeled")),
                count(counts.get("unlabeled")),
                MISSING if auc is None else Cell(f"{auc:.3f}", sort=auc),
                MISSING if right is None else Cell(f"{percent(right)} %", sort=right),
                text(study.kinds_of(collapsed)),
                text(study.kinds_of(stopped)),
            ]
        )
    return table


def differences(studies: Mapping[str, Results]) -> dict[str, str]:
    """The config keys in which each study differs from the first one, with its values.

    A section that only one of the two has is shown as 'on' or 'off', because most of its keys are defaults. 'on' is
    followed by the keys in which the studies with this section differ.
    """
    flat = {
        name: flatten({key: value for key, value in study.study.items() if key not in NAMING})
        for name, study in studies.items()
    }
    first = next(iter(flat.values()))
    return {name: ", ".join(_changed(leaves, first, list(flat.values()))) for name, leaves in flat.items()}


def _changed(leaves: dict[str, Any], first: dict[str, Any], every: Sequence[dict[str, Any]]) -> list[str]:
    changed, keys = [], {**first, **leaves}
    switched = {key for side in (leaves, first) for key in side if any(other.startswith(f"{key}.") for other in keys)}
    for key in keys:
        if key in switched:
            changed.append(f"{key}: off" if key in leaves else f"{key}: on{_varied(leaves, f'{key}.', every)}")
        elif repr(leaves.get(key)) != repr(first.get(key)) and not any(
            key.startswith(f"{section}.") for section in switched
        ):
            changed.append(f"{key}: {leaves.get(key)}")
    return changed


def _varied(leaves: dict[str, Any], section: str, every: Sequence[dict[str, Any]]) -> str:
    """The values of a section that differ between the studies that have it."""
    varied = [
        f"{key.removeprefix(section)}: {value}"
        for key, value in leaves.items()
        if key.startswith(section) and len({repr(config[key]) for config in every if key in config}) > 1
    ]
    return f" ({', '.join(varied)})" if varied else ""


def paired_table(studies: Mapping[str, Results], name: str) -> Table:
    """Greedy accuracy of each run minus that of its counterpart in the first study, on the same questions.

    Rows are the other studies' runs that have a counterpart with the same questions. A baseline with exactly the
    same answers is left out: variants of a sweep share it. The interval (95 %) is from a paired bootstrap, the p-value
    from McNemar's test, Holm-corrected over the rows of this table.
    """
    (label, first), *others = studies.items()
    columns = [("study", ""), ("run", ""), (f"run of {label}", "that it is compared with")]
    columns += [
        ("difference", "of greedy accuracy, in percentage points"),
        ("p, McNemar", ""),
        ("p, Holm", "corrected"),
    ]
    rows, known = [], {}
    for other, study in others:
        for run in study.runs:
            partner = counterpart(study, run, first)
            own = greedy_correctness(study, run, name)
            if partner is None or not own:
                continue
            if partner not in known:
                known[partner] = greedy_correctness(first, partner, name)
            shared = run == study.baseline.run and own == known[partner]
            if own.keys() == known[partner].keys() and not shared:
                ran = [key for key in own if None not in (own[key], known[partner][key])]
                both = ({key: side[key] for key in ran} for side in (own, known[partner]))
                if ran:
                    rows.append((other, study.names[run], first.names[partner], compare(*both)))
    table = Table(columns, [])
    adjusted = holm([row["mcnemar_p"] for *_, row in rows])
    for (other, run, partner, row), p in zip(rows, adjusted, strict=True):
        shown = [text(other), text(run), text(partner), difference_cell(SimpleNamespace(**row), bold=p < 0.05)]
        table.rows.append([*shown, p_cell(row["mcnemar_p"]), p_cell(p)])
    return table


def counterpart(study: Results, run: str, first: Results) -> str | None:
    """The run of `first` that a run is compared with: of the same name, or else both primary runs. None without one."""
    if run in first.runs:
        return run
    return dict(zip(study.primary["runs"], first.primary["runs"], strict=False)).get(run)


def greedy_correctness(study: Results, run: str, name: str) -> dict[tuple[str, str, str], float | None]:
    """(id, question, gold answer) of a test set -> whether a run's greedy response is correct, as 1.0 or 0.0.

    None if its program did not run; {} without samples. The key includes the question and gold answer because an id may
    belong to another question in another study's data.

    Raises:
        InputError: a row is not a scored sample.
    """
    path = study.files.evaluation(run, name).samples
    if not Path(path).exists():
        return {}
    correct = {}
    for row in read_jsonl(path):
        valid = all(isinstance(row.get(key), str) for key in ("id", "question", "gold"))
        valid = valid and isinstance(row.get("sample"), int) and isinstance(row.get("correct", ""), bool | None)
        if not valid:
            raise InputError(f"{path}: a row is not a scored sample; {RERUN}")
        if row["sample"] < 0:  # greedy
            correct[row["id"], row["question"], row["gold"]] = None if row["correct"] is None else float(row["correct"])
    return correct


def primary_correctness(study: Results) -> dict[tuple[str, str, str], float | None]:
    """`greedy_correctness` of the primary run on its test set; of several seeds, the mean over their runs."""
    name = study.primary["set"]
    each = [greedy_correctness(study, run, name) for run in study.primary["runs"]]
    values = {question: [correct.get(question) for correct in each] for question in each[0]}
    return {
        question: None if None in found else sum(cast(list[float], found)) / len(found)
        for question, found in values.items()
    }


def choices_table(studies: Mapping[str, Results], name: str) -> Table:
    """Majority vote, best of n and pass@n on one test set; rows are the baseline and the primary run of each study.

    A study with a pointwise judge has no Elo ratings and no knockout. Without rows if no study has them.
    """
    if all(best_of_size(study, name) is None for study in studies.values()):
        return Table([], [])
    table = Table([("study", ""), ("run", ""), ("n", "samples per question")], [])
    table.columns += [(title.format(n="n"), hint + ", in %") for title, hint in COLUMNS.values()]
    for label, study in studies.items():
        n = best_of_size(study, name) or study.top_k
        for run in dict.fromkeys([study.baseline.run, study.primary["run"]]):
            metrics = [study.metric(run, name, metric, n) for metric in COLUMNS] if n else []
            if any(metrics):
                cells = [text(label), text(study.names[run]), Cell(str(n), sort=n)]
                table.rows.append(cells + [estimate_cell(row) for row in metrics])
    return table


def labels_sentence(studies: Mapping[str, Results]) -> str | None:
    """A sentence on how many labels SFT alone would need; None without two studies with SFT and different numbers of
    labels, or if studies with the same number differ in something else."""
    curve, reached = {}, []
    for study in studies.values():
        labels = ((study.splits or {}).get("counts") or {}).get("labeled")
        if not labels or study.baseline.run != "sft":
            continue
        run, name = study.primary["run"], study.primary["set"]
        base, primary = study.metric("sft", name, "greedy"), study.metric(run, name, "greedy")
        if base and primary:
            curve[labels] = base.value
            reached.append((labels, primary.value, f"{study.names[run]} on {name}"))
    if len(curve) < max(2, len(reached)) or len({what for *_, what in reached}) > 1:
        return None
    points, reached = sorted(curve.items()), sorted(reached)
    needed = [labels_for(value, points) for _, value, _ in reached]
    amounts = [f"about {number:,.0f}" if number else f"more than {points[-1][0]:,}" for number in needed]
    return (
        f"Label efficiency: what {reached[0][2]} reaches with {join_words([f'{labels:,}' for labels, *_ in reached])} "
        f"labels, SFT alone would reach with {join_words(amounts)} (linear interpolation between the SFT baselines, "
        "labels on a logarithmic scale)."
    )


def labels_for(value: float, curve: Sequence[tuple[int, float]]) -> float | None:
    """The number of labels at which a curve of (labels, accuracy), by rising labels, first reaches a value.

    Interpolates linearly, with labels on a logarithmic scale. None if the curve never reaches the value; the first
    point's labels if it starts above.
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
