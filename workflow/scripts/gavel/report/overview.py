"""What the studies of a comparison differ in, and what became of them."""

from collections.abc import Mapping, Sequence

from gavel.dotted import dotted
from gavel.report.load import Results
from gavel.report.words import MISSING, Cell, Table, count, listing, percent, text

NAMING = ("study", "question", "results_dir", "tracking", "shared", "sweep", "provenance")  # tell no study's settings


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


def _changed(leaves: dict, first: dict, every: Sequence[dict]) -> list[str]:
    found, keys = [], {**first, **leaves}
    switched = {key for one in (leaves, first) for key in one if any(other.startswith(f"{key}.") for other in keys)}
    for key in keys:
        if key in switched:
            found.append(f"{key}: off" if key in leaves else f"{key}: on{_own(leaves, f'{key}.', every)}")
        elif repr(leaves.get(key)) != repr(first.get(key)) and not any(key.startswith(f"{one}.") for one in switched):
            found.append(f"{key}: {leaves.get(key)}")
    return found


def _own(leaves: dict, section: str, every: Sequence[dict]) -> str:
    """A section's values that are not the same in all studies that have them."""
    varied = [
        f"{key.removeprefix(section)}: {value}"
        for key, value in leaves.items()
        if key.startswith(section) and len({repr(one[key]) for one in every if key in one}) > 1
    ]
    return f" ({', '.join(varied)})" if varied else ""


def overview(studies: Mapping[str, Results]) -> Table:
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
