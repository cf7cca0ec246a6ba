"""Runs that differ in their seed only, taken together: the training run as a second level of variation."""

from collections import defaultdict
from collections.abc import Mapping

from gavel.question_values import Values
from gavel.statistics import crossed_bootstrap, holm

COLUMNS = (
    "algorithm lambda set metric k seeds value low high lowest highest difference difference_low difference_high p "
    "p_adjusted"
).split()
RESAMPLES = 10_000


def across_seeds(
    values: Mapping[tuple[str, str, str], Values], runs: Mapping[str, dict], baseline: tuple[str, str]
) -> list[dict]:
    """Mean accuracy over seeds, and its difference from the baseline, for every kind of run that has several.

    Intervals and p resample seeds and questions both (`gavel.statistics.crossed_bootstrap`). The baseline is one
    checkpoint, from which all seeds start: its own training seed is not varied.

    Args:
        values: (run, checkpoint, set) -> metric values per question.
        runs: run -> `{"algorithm", "lambda", "seed"}`.
        baseline: (run, checkpoint) that differences are taken from.

    Returns:
        Rows with the keys `COLUMNS`, for greedy accuracy and maj at the largest k of the last checkpoints; `lowest` and
        `highest` are those of single seeds; `p_adjusted` is Holm's over the rows.
    """
    groups = defaultdict(list)
    for run, about in runs.items():
        if run != baseline[0]:
            groups[about["algorithm"], about["lambda"]].append(run)
    rows = []
    for (algorithm, weight), members in groups.items():
        for name in dict.fromkeys(name for _, _, name in values):
            tables = [values[run, "last", name] for run in members if (run, "last", name) in values]
            if len(tables) < 2:
                continue
            top = max((k for metric, k in tables[0] if metric == "maj"), default=None)
            for measure in [("greedy", 1)] + ([("maj", top)] if top else []):
                base = values.get((*baseline, name), {}).get(measure)
                if base is None or not all(measure in table for table in tables):
                    continue
                # Where programs did not run, a run may have no value of a question.
                names = [name_ for name_ in base if all(name_ in table[measure] for table in tables)]
                if not names:
                    continue
                about = {"algorithm": algorithm, "lambda": weight, "set": name, "metric": measure[0], "k": measure[1]}
                rows.append(about | _row([table[measure] for table in tables], base, names))
    for row, adjusted in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_adjusted"] = adjusted
    return rows


def _row(tables: list[dict[str, float]], base: dict[str, float], names: list[str]) -> dict:
    table = [[by_question[name] for name in names] for by_question in tables]
    value, low, high, _ = crossed_bootstrap(table)
    means = [sum(row) / len(row) for row in table]
    gains = [[own - base[name] for own, name in zip(row, names, strict=True)] for row in table]
    difference, difference_low, difference_high, p = crossed_bootstrap(gains, resamples=RESAMPLES)
    return {
        "seeds": len(tables),
        "value": value,
        "low": low,
        "high": high,
        "lowest": min(means),
        "highest": max(means),
        "difference": difference,
        "difference_low": difference_low,
        "difference_high": difference_high,
        "p": p,
    }
