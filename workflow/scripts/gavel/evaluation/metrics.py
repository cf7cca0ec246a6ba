"""Compute `metrics.csv`, `comparisons.csv` and `seeds.csv` from scored samples.

Every metric is a mean over questions of one value per question (`gavel.evaluation.question_values`), so intervals and
paired tests (`gavel.stats.intervals`) resample questions. Runs are summarised, compared in pairs, and averaged over
seeds; perturbed sets are compared with their seed questions (drop rates). docs/reference/metrics.md defines every
metric.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl, write_text
from gavel.evaluation.question_values import Values, question_values
from gavel.evaluation.records import Primary, RunColumns, ScoredSample
from gavel.stats.intervals import (
    bootstrap_mean,
    crossed_bootstrap,
    holm,
    mcnemar,
    mean_interval,
    paired_bootstrap,
    ratio_drop,
    wilson,
)

File = tuple[str, str, str]  # run, checkpoint and test set of a file of scored samples
ByQuestion = dict[str, float]
Links = dict[str, dict[str, dict[str, str | None]]]  # test set -> `seed_id` or `kind` -> question id -> its value

METRIC_COLUMNS = "run checkpoint algorithm lambda seed control set metric k value low high n".split()
COMPARISON_COLUMNS = (
    "run checkpoint baseline set metric k difference low high p n p_adjusted primary gained lost mcnemar_p"
).split()
SEED_COLUMNS = (
    "algorithm lambda control set metric k seeds n value low high lowest highest difference difference_low "
    "difference_high p p_adjusted"
).split()
# Pairs of ways to choose among all samples of a run, compared at the largest k.
VOTE_COMPARISONS = (
    ("maj", "greedy"),
    ("weighted_maj", "maj"),
    ("best_of", "maj"),
    ("best_of_elo", "maj"),
    ("best_of_knockout", "maj"),
    ("best_of_knockout", "best_of"),
)
# A bootstrap p-value is at least 2 / resamples, and Holm multiplies it by up to the number of comparisons. With fewer
# resamples per comparison, no corrected p could fall below 0.05.
RESAMPLES, RESAMPLES_EACH = 10_000, 50
SEED_RESAMPLES = 10_000


def write_metrics(
    files: Sequence[tuple[str, str, str, str | Path]],
    runs: Mapping[str, RunColumns],
    ks: Sequence[int],
    primary: Primary,
    out_metrics: str | Path,
    out_comparisons: str | Path,
    out_seeds: str | Path,
) -> None:
    """Write the tables of a study.

    Every run is compared with the baseline (greedy, and maj at the largest k), and every run with 0 < λ < 1 with its
    algorithm's λ = 1 run of the same seed (greedy). Within a run, at the largest k, maj is compared with greedy (metric
    `maj-greedy`), and so are the other `VOTE_COMPARISONS` (`best_of-maj` etc.). `p_adjusted` is Holm-corrected over all
    comparisons of main checkpoints except the primary one, which keeps its p, and separately over those of other
    checkpoints.

    Args:
        files: (run, checkpoint, set, path) of each file of scored samples.
        runs: run → its columns; the first is the baseline, from which RL starts: `sft`, or without SFT `base`.
        ks: the k of maj@k and pass@k.
        primary: the pre-specified comparison with the baseline. If it covers several seeds, it has a row of its own in
            the comparisons, under its name, once all of its runs are there.
        out_metrics, out_comparisons: CSV files to write.
        out_seeds: CSV file for results over several seeds; only a header if there is one seed.

    Raises:
        InputError: a file is unusable, or two files of a set cover different questions; names the file.
    """
    baseline = next(iter(runs))
    values: dict[File, Values] = {}
    links: Links = {}
    metrics = []
    for run, checkpoint, name, path in files:
        try:
            rows = [cast(ScoredSample, row) for row in read_jsonl(path)]
            values[run, checkpoint, name] = question_values(rows, ks)
        except KeyError as error:
            raise InputError(f"{path}: missing key {error}; score this set again") from None
        except InputError as error:
            raise error if str(path) in str(error) else InputError(f"{path}: {error}") from None
        about = {"seed_id": {row["id"]: row.get("seed_id") for row in rows}}
        links.setdefault(name, about | {"kind": {row["id"]: row.get("kind") for row in rows}})
    for (run, checkpoint, name), found in values.items():
        labels = {"control": None} | runs[run] | {"run": run, "checkpoint": checkpoint, "set": name}
        metrics += [labels | row for row in _summaries(found) + _drop_rates(values, links, run, checkpoint, name)]
    comparisons: list[dict[str, Any]] = []
    pairs = list(_pairs(values, runs, baseline))
    resamples = max(RESAMPLES, RESAMPLES_EACH * len(pairs))
    for first, second, metric, k, measured in pairs:
        pair = _both_known(measured, (values[first], values[second]))
        if not pair[0]:
            continue
        labels = {"run": first[0], "checkpoint": first[1], "baseline": second[0], "set": first[2]}
        try:
            comparisons.append(labels | {"metric": metric, "k": k} | compare(*pair, resamples))
        except InputError as error:
            raise InputError(f"{first[0]} and {second[0]} on {first[2]}: {error}") from None
    wanted = {key: primary[key] for key in ("run", "set", "metric", "k")}
    wanted |= {"checkpoint": "last", "baseline": baseline}
    seeds = across_seeds(values, runs, (baseline, main_checkpoint(baseline)), primary)
    comparisons += [_pooled(row, wanted) for row in seeds if is_primary(row, runs, primary)]
    for row in comparisons:
        row["primary"] = all(row[key] == value for key, value in wanted.items())
    families = defaultdict(list)  # main checkpoints, other checkpoints, and controls are corrected separately
    for row in (row for row in comparisons if not row["primary"]):
        control = row["run"] in runs and is_control(runs[row["run"]])
        families[row["checkpoint"] == main_checkpoint(row["run"]), control].append(row)
    for family in families.values():
        for row, adjusted in zip(family, holm([row["p"] for row in family]), strict=True):
            row["p_adjusted"] = adjusted
    for row in comparisons:
        row.setdefault("p_adjusted", row["p"])
    write_text(out_metrics, _csv(METRIC_COLUMNS, metrics))
    write_text(out_comparisons, _csv(COMPARISON_COLUMNS, comparisons))
    write_text(out_seeds, _csv(SEED_COLUMNS, seeds))


def main_checkpoint(run: str) -> str:
    """The main checkpoint of a run: the last step of an RL run, SFT's best by validation, the only one of `base`."""
    return "best" if run == "sft" else "last"


def _pairs(
    values: Mapping[File, Values], runs: Mapping[str, RunColumns], baseline: str
) -> Iterator[tuple[File, File, str, int, tuple[ByQuestion, ByQuestion]]]:
    """All possible comparisons as (first file, second file, metric, k, (first values, second values))."""
    start = (baseline, main_checkpoint(baseline))
    baselines = {name: (run, checkpoint, name) for run, checkpoint, name in values if (run, checkpoint) == start}
    for key, run_values in values.items():
        run, checkpoint, name = key
        top = max((k for metric, k in run_values if metric == "maj"), default=0)
        measures = [("greedy", 1)] if checkpoint == "best" or not top else [("greedy", 1), ("maj", top)]
        if run != baseline and name in baselines:
            base = values[baselines[name]]
            for measure in measures:
                if measure in run_values and measure in base:
                    yield key, baselines[name], *measure, (run_values[measure], base[measure])
        if run != baseline and checkpoint == "last" and 0 < (runs[run]["lambda"] or 0) < 1:
            wanted = {"algorithm": runs[run]["algorithm"], "lambda": 1, "seed": runs[run]["seed"]}
            for verifiable in (candidate for candidate, settings in runs.items() if wanted.items() <= settings.items()):
                other = (verifiable, "last", name)
                if ("greedy", 1) in run_values and ("greedy", 1) in values.get(other, {}):
                    yield key, other, "greedy", 1, (run_values["greedy", 1], values[other]["greedy", 1])
        for first, second in VOTE_COMPARISONS:
            chosen, other_choice = (
                run_values.get((metric, 1 if metric == "greedy" else top)) for metric in (first, second)
            )
            if chosen is not None and other_choice is not None:
                both = chosen.keys() & other_choice.keys()  # greedy responses may cover more questions than samples
                sides = ({name: side[name] for name in side if name in both} for side in (chosen, other_choice))
                yield key, key, f"{first}-{second}", top, (next(sides), next(sides))


def _both_known(pair: tuple[ByQuestion, ByQuestion], files: tuple[Values, Values]) -> tuple[ByQuestion, ByQuestion]:
    """The pair without questions that have a value on one side only, because the other's programs did not run."""
    not_run = {name for values in files for name, share in values.get(("not_run", 1), {}).items() if share}
    first, second = (
        {name: value for name, value in side.items() if name not in not_run or name in other}
        for side, other in (pair, pair[::-1])
    )
    return first, second


def compare(first: dict[str, float], second: dict[str, float], resamples: int = RESAMPLES) -> dict[str, Any]:
    """Paired difference, first − second, over the same questions, with `resamples` bootstrap resamples.

    Returns:
        `{"difference", "low", "high", "p", "n", "gained", "lost", "mcnemar_p"}`: 95 % interval and two-sided
        p of the paired bootstrap; the numbers of questions that only the first (only the second) answers
        correctly, and McNemar's p. The last three are None unless every value is 0 or 1.

    Raises:
        InputError: `first` and `second` cover different questions.
    """
    if first.keys() != second.keys():
        unmatched = sorted(first.keys() ^ second.keys())
        raise InputError(
            f"{len(unmatched)} questions are in only one of the two, such as {unmatched[0]}; evaluate both again"
        )
    a = list(first.values())
    b = [second[name] for name in first]
    difference, low, high, p = paired_bootstrap(a, b, resamples=resamples)
    gained = lost = exact = None
    if {*a, *b} <= {0, 1}:
        gained = sum(x > y for x, y in zip(a, b, strict=True))
        lost = sum(x < y for x, y in zip(a, b, strict=True))
        exact = mcnemar(gained, lost)
        if len(a) in (gained, lost):  # no variation to resample, but this is not certainty
            end = wilson(len(a), len(a))[0]
            low, high, p = (end, 1.0, exact) if gained else (-1.0, -end, exact)
    result = {"difference": difference, "low": low, "high": high, "p": p, "n": len(a)}
    return result | {"gained": gained, "lost": lost, "mcnemar_p": exact}


def _summaries(values: Values) -> list[dict[str, Any]]:
    rows = []
    for (metric, k), by_question in values.items():
        numbers = list(by_question.values())
        low, high = bootstrap_mean(numbers) if metric == "tokens" else mean_interval(numbers)
        value = sum(numbers) / len(numbers)
        rows.append({"metric": metric, "k": k, "value": value, "low": low, "high": high, "n": len(numbers)})
    return rows


def _drop_rates(
    values: Mapping[File, Values], links: Links, run: str, checkpoint: str, name: str
) -> list[dict[str, Any]]:
    """PDR of a set whose questions were made from another set's; empty if no seed is in another set."""
    greedy = values[run, checkpoint, name].get(("greedy", 1), {})
    seeds = {question: seed for question, seed in links[name]["seed_id"].items() if seed}
    kinds = {question: kind for question, kind in links[name]["kind"].items() if kind}
    others = (values[place].get(("greedy", 1), {}) for place in values if place[:2] == (run, checkpoint))
    original = {question: value for other in others if other is not greedy for question, value in other.items()}
    return drop_rates(greedy, seeds, original, kinds) if seeds else []


def drop_rates(
    perturbed: Mapping[str, float],
    seed_of: Mapping[str, str],
    original: Mapping[str, float],
    kinds: Mapping[str, str],
) -> list[dict[str, Any]]:
    """The performance drop rate (PDR) over all perturbed questions whose seed has a verdict, and by perturbation kind.

    Args:
        perturbed: question id -> greedy verdict, 0 or 1.
        seed_of: question id -> id of its seed question.
        original: id of a question of another set -> greedy verdict of the same run.
        kinds: question id -> perturbation kind.

    Returns:
        Rows `{"metric", "k", "value", "low", "high", "n"}`, metric `pdr` or `pdr_kind:<kind>`. The 95 % interval is
        from a bootstrap over seed questions, or from Wilson's interval of the accuracy if all perturbed questions have
        the same verdict; `n` is the number of perturbed questions. If no seed is answered correctly, the rate is
        undefined and has no row.
    """
    linked = [name for name in perturbed if seed_of.get(name) in original]
    groups = {"pdr": linked} | {
        f"pdr_kind:{kind}": [name for name in linked if kinds.get(name) == kind] for kind in sorted(set(kinds.values()))
    }
    rows = []
    for metric, names in groups.items():
        seeds = list(dict.fromkeys(seed_of[name] for name in names))
        places = {seed: place for place, seed in enumerate(seeds)}
        changed, sizes = [0.0] * len(seeds), [0] * len(seeds)
        for name in names:
            changed[places[seed_of[name]]] += perturbed[name]
            sizes[places[seed_of[name]]] += 1
        right = [original[seed] for seed in seeds]
        if any(right):
            value, low, high = ratio_drop(changed, sizes, right)
            if sum(changed) in (0, len(names)):  # no variation to resample, but this is not certainty
                base = sum(right) / len(right)
                low, high = (1 - rate / base for rate in reversed(wilson(sum(changed), len(names))))
            rows.append({"metric": metric, "k": 1, "value": value, "low": low, "high": high, "n": len(names)})
    return rows


def is_primary(row: Mapping[str, Any], runs: Mapping[str, Mapping[str, Any]], primary: Primary) -> bool:
    """Whether a row of `across_seeds` is the primary comparison, over all of its seeds."""
    about = runs.get(primary["runs"][0])
    if about is None or row["seeds"] < len(primary["runs"]) or primary["run"] in primary["runs"]:
        return False
    wanted = {"algorithm": about["algorithm"], "lambda": about["lambda"]}
    wanted |= {"set": primary["set"], "metric": primary["metric"], "k": primary["k"]}
    return not is_control(row) and all(row[key] == value for key, value in wanted.items())


def is_control(row: Mapping[str, Any]) -> bool:
    """Whether a run, or a row of a table, is a control's."""
    return isinstance(row.get("control"), str)  # a missing value of a table is NaN


def _pooled(row: Mapping[str, Any], labels: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `across_seeds` as a row of the comparisons."""
    bounds = {"low": row["difference_low"], "high": row["difference_high"]}
    counts = {"gained": None, "lost": None, "mcnemar_p": None}
    return {**labels, "difference": row["difference"], **bounds, "p": row["p"], "n": row["n"], **counts}


def across_seeds(
    values: Mapping[File, Values], runs: Mapping[str, RunColumns], baseline: tuple[str, str], primary: Primary
) -> list[dict[str, Any]]:
    """Mean accuracy over several seeds, and its difference from the baseline, for each algorithm and λ, or control.

    Intervals and p resample both seeds and questions (`gavel.stats.intervals.crossed_bootstrap`). The baseline is one
    checkpoint, from which all seeds start: its own training seed does not vary.

    Args:
        values: (run, checkpoint, set) -> metric values per question.
        runs: run -> its columns.
        baseline: (run, checkpoint) that is subtracted.
        primary: keeps its p if it is one of the rows.

    Returns:
        Rows with the keys `SEED_COLUMNS`, for greedy accuracy and maj at the largest k of the last checkpoints.
        `lowest` and `highest` are accuracies of single seeds; `p_adjusted` is Holm-corrected over the rows but the
        primary one, those of controls separately.
    """
    groups = defaultdict(list)
    for run, cell in runs.items():
        if run != baseline[0]:
            groups[cell["algorithm"], cell["lambda"], cell.get("control")].append(run)
    rows: list[dict[str, Any]] = []
    for (algorithm, lam, control), members in groups.items():
        for name in dict.fromkeys(name for _, _, name in values):
            tables = [values[run, "last", name] for run in members if (run, "last", name) in values]
            if len(tables) < 2:
                continue
            top = max((k for metric, k in tables[0] if metric == "maj"), default=None)
            for measure in [("greedy", 1)] + ([("maj", top)] if top else []):
                base = values.get((*baseline, name), {}).get(measure)
                if base is None or not all(measure in table for table in tables):
                    continue
                # A run may lack a question's value if programs did not run.
                names = [name_ for name_ in base if all(name_ in table[measure] for table in tables)]
                if not names:
                    continue
                labels = {"algorithm": algorithm, "lambda": lam, "control": control}
                labels |= {"set": name, "metric": measure[0], "k": measure[1]}
                rows.append(labels | _seed_row([table[measure] for table in tables], base, names))
    for controls in (False, True):
        family = [row for row in rows if is_control(row) == controls]
        others = [row for row in family if not is_primary(row, runs, primary)]
        for row, adjusted in zip(others, holm([row["p"] for row in others]), strict=True):
            row["p_adjusted"] = adjusted
    return [{"p_adjusted": row["p"]} | row for row in rows]


def _seed_row(tables: list[dict[str, float]], base: dict[str, float], names: list[str]) -> dict[str, Any]:
    table = [[by_question[name] for name in names] for by_question in tables]
    value, low, high, _ = crossed_bootstrap(table)
    means = [sum(row) / len(row) for row in table]
    gains = [[own - base[name] for own, name in zip(row, names, strict=True)] for row in table]
    difference, difference_low, difference_high, p = crossed_bootstrap(gains, resamples=SEED_RESAMPLES)
    return {
        "seeds": len(tables),
        "n": len(names),
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


def _csv(columns: list[str], rows: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[column]) for column in columns])
    return out.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)
