"""From scored samples to `metrics.csv`, `comparisons.csv` and `seeds.csv`.

Every figure is a mean over questions of one value per question (`gavel.evaluation.question_values`), so that intervals
and paired tests resample questions; these are `gavel.stats.intervals`'. Runs are summed up one by one, compared in
pairs, held against the questions that a perturbed set was made from (drop rates), and taken together over seeds.
docs/evaluation.md defines every figure.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl, write_text
from gavel.evaluation.question_values import Values, question_values
from gavel.evaluation.records import ScoredSample
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

File = tuple[str, str, str]  # of scored samples: its run, checkpoint and test set
ByQuestion = dict[str, float]

METRIC_COLUMNS = "run checkpoint algorithm lambda seed set metric k value low high n".split()
COMPARISON_COLUMNS = (
    "run checkpoint baseline set metric k difference low high p n p_adjusted primary gained lost mcnemar_p"
).split()
SEED_COLUMNS = (
    "algorithm lambda set metric k seeds value low high lowest highest difference difference_low difference_high p "
    "p_adjusted"
).split()
# What every run is compared with: SFT's checkpoint with the best validation accuracy, where RL starts.
BASELINE = ("sft", "best")
# Two ways to choose among all samples of a run, at the largest k.
CHOICES = (
    ("maj", "greedy"),
    ("weighted_maj", "maj"),
    ("best_of", "maj"),
    ("best_of_elo", "maj"),
    ("best_of_knockout", "maj"),
    ("best_of_knockout", "best_of"),
)
# A p-value of the bootstrap is at least 2 / resamples, and Holm multiplies it by the number of comparisons: with fewer
# resamples for each of them no corrected p could fall below 0.05.
RESAMPLES, RESAMPLES_EACH = 10_000, 50
SEED_RESAMPLES = 10_000


def write_metrics(
    files: Sequence[tuple[str, str, str, str | Path]],
    runs: dict[str, dict],
    ks: Sequence[int],
    primary: dict,
    out_metrics: str | Path,
    out_comparisons: str | Path,
    out_seeds: str | Path,
) -> None:
    """Write the tables of a study.

    Compared are: every run with `sft` (greedy and maj at the largest k), every run with 0 < λ < 1 with its
    algorithm's λ = 1 run of the same seed (greedy), and of the same run, at the largest k, maj with greedy (metric
    `maj-greedy`) and the other `CHOICES` (`best_of-maj` and its like). `p_adjusted` is Holm's over all comparisons of
    checkpoints that count but the primary one, which keeps its p, and over those of the others.

    Args:
        files: (run, checkpoint, set, path) of each file of scored samples.
        runs: run → `{"algorithm", "lambda", "seed"}`; λ is None for `sft`.
        ks: the k of maj@k and pass@k.
        primary: `{"run", "set", "metric", "k", "checkpoint"}` of the comparison with `sft` that was named
            beforehand; k and checkpoint may be left out (1 and last).
        out_seeds: where runs of several seeds are taken together; a heading only if there is one.

    Raises:
        InputError: a file is unusable or two files of a set cover different questions; the message names the
        file.
    """
    values: dict[File, Values] = {}
    links: dict[str, dict] = {}
    metrics = []
    for run, checkpoint, name, path in files:
        try:
            rows = [cast(ScoredSample, row) for row in read_jsonl(path)]
            values[run, checkpoint, name] = question_values(rows, ks)
        except KeyError as error:
            raise InputError(f"{path}: a row has no {error}; score this set again") from None
        except InputError as error:
            raise error if str(path) in str(error) else InputError(f"{path}: {error}") from None
        links.setdefault(name, {key: {row["id"]: row.get(key) for row in rows} for key in ("seed_id", "kind")})
    for (run, checkpoint, name), found in values.items():
        about = runs[run] | {"run": run, "checkpoint": checkpoint, "set": name}
        metrics += [about | row for row in _summaries(found) + _drop_rates(values, links, run, checkpoint, name)]
    comparisons, pairs = [], list(_pairs(values, runs))
    resamples = max(RESAMPLES, RESAMPLES_EACH * len(pairs))
    for first, second, metric, k, measured in pairs:
        pair = _both_known(measured, (values[first], values[second]))
        if not pair[0]:
            continue
        about = {"run": first[0], "checkpoint": first[1], "baseline": second[0], "set": first[2]}
        try:
            comparisons.append(about | {"metric": metric, "k": k} | compare(*pair, resamples))
        except InputError as error:
            raise InputError(f"{first[0]} and {second[0]} on {first[2]}: {error}") from None
    wanted = {"k": 1, "checkpoint": "last"} | primary | {"baseline": "sft"}
    for row in comparisons:
        row["primary"] = all(row[key] == value for key, value in wanted.items() if key in row)
    for counts in (True, False):  # the checkpoints that count, and the others, are a family each
        others = (row for row in comparisons if not row["primary"])
        family = [row for row in others if (row["checkpoint"] == main_checkpoint(row["run"])) == counts]
        for row, adjusted in zip(family, holm([row["p"] for row in family]), strict=True):
            row["p_adjusted"] = adjusted
    for row in comparisons:
        row.setdefault("p_adjusted", row["p"])
    write_text(out_metrics, _csv(METRIC_COLUMNS, metrics))
    write_text(out_comparisons, _csv(COMPARISON_COLUMNS, comparisons))
    write_text(out_seeds, _csv(SEED_COLUMNS, across_seeds(values, runs, BASELINE)))


def main_checkpoint(run: str) -> str:
    """Which checkpoint of a run counts: the last step of an RL run, SFT's best by validation."""
    return "best" if run == "sft" else "last"


def _pairs(
    values: dict[File, Values], runs: dict[str, dict]
) -> Iterator[tuple[File, File, str, int, tuple[ByQuestion, ByQuestion]]]:
    """(first file, second file, metric, k, (first values, second values)) of all possible comparisons."""
    baselines = {name: (run, checkpoint, name) for run, checkpoint, name in values if (run, checkpoint) == BASELINE}
    for key, own in values.items():
        run, checkpoint, name = key
        top = max((k for metric, k in own if metric == "maj"), default=0)
        measures = [("greedy", 1)] if checkpoint == "best" or not top else [("greedy", 1), ("maj", top)]
        if run != "sft" and name in baselines:
            base = values[baselines[name]]
            for measure in measures:
                if measure in own and measure in base:
                    yield key, baselines[name], *measure, (own[measure], base[measure])
        if run != "sft" and checkpoint == "last" and 0 < runs[run]["lambda"] < 1:
            wanted = {"algorithm": runs[run]["algorithm"], "lambda": 1, "seed": runs[run]["seed"]}
            for verifiable in (candidate for candidate, about in runs.items() if wanted.items() <= about.items()):
                other = (verifiable, "last", name)
                if ("greedy", 1) in own and ("greedy", 1) in values.get(other, {}):
                    yield key, other, "greedy", 1, (own["greedy", 1], values[other]["greedy", 1])
        for first, second in CHOICES:
            chosen, other_choice = (own.get((metric, 1 if metric == "greedy" else top)) for metric in (first, second))
            if chosen is not None and other_choice is not None:
                yield key, key, f"{first}-{second}", top, (chosen, other_choice)


def _both_known(pair: tuple[ByQuestion, ByQuestion], files: tuple[Values, Values]) -> tuple[ByQuestion, ByQuestion]:
    """The pair less the questions that only one side has a value of, because the other's programs did not run."""
    lost = {name for values in files for name, share in values.get(("not_run", 1), {}).items() if share}
    first, second = (
        {name: value for name, value in side.items() if name not in lost or name in other}
        for side, other in (pair, pair[::-1])
    )
    return first, second


def compare(first: dict[str, float], second: dict[str, float], resamples: int = RESAMPLES) -> dict:
    """Paired difference, first − second, over the same questions, by `resamples` draws of the bootstrap.

    Returns:
        `{"difference", "low", "high", "p", "n", "gained", "lost", "mcnemar_p"}`: 95 % interval and two-sided
        p of the paired bootstrap; questions that only the first (second) answers rightly and McNemar's p.
        The last three are None unless every value is 0 or 1.

    Raises:
        InputError: the two cover different questions.
    """
    if first.keys() != second.keys():
        odd = sorted(first.keys() ^ second.keys())
        raise InputError(f"{len(odd)} questions are in only one of the two, such as {odd[0]}; evaluate both again")
    a = list(first.values())
    b = [second[name] for name in first]
    difference, low, high, p = paired_bootstrap(a, b, resamples=resamples)
    gained = lost = exact = None
    if {*a, *b} <= {0, 1}:
        gained = sum(x > y for x, y in zip(a, b, strict=True))
        lost = sum(x < y for x, y in zip(a, b, strict=True))
        exact = mcnemar(gained, lost)
        if len(a) in (gained, lost):  # no spread to resample, which is no certainty
            end = wilson(len(a), len(a))[0]
            low, high, p = (end, 1.0, exact) if gained else (-1.0, -end, exact)
    found = {"difference": difference, "low": low, "high": high, "p": p, "n": len(a)}
    return found | {"gained": gained, "lost": lost, "mcnemar_p": exact}


def _summaries(values: Values) -> list[dict]:
    found = []
    for (metric, k), by_question in values.items():
        numbers = list(by_question.values())
        low, high = bootstrap_mean(numbers) if metric == "tokens" else mean_interval(numbers)
        value = sum(numbers) / len(numbers)
        found.append({"metric": metric, "k": k, "value": value, "low": low, "high": high, "n": len(numbers)})
    return found


def _drop_rates(values: dict[File, Values], links: dict, run: str, checkpoint: str, name: str) -> list[dict]:
    """PDR of a set whose questions were made from another's; none where no seed is in another set."""
    own = values[run, checkpoint, name].get(("greedy", 1), {})
    seeds = {question: seed for question, seed in links[name]["seed_id"].items() if seed}
    kinds = {question: kind for question, kind in links[name]["kind"].items() if kind}
    others = (values[place].get(("greedy", 1), {}) for place in values if place[:2] == (run, checkpoint))
    original = {question: value for other in others if other is not own for question, value in other.items()}
    return drop_rates(own, seeds, original, kinds) if seeds else []


def drop_rates(
    perturbed: Mapping[str, float],
    seed_of: Mapping[str, str],
    original: Mapping[str, float],
    kinds: Mapping[str, str],
) -> list[dict]:
    """The PDR over all perturbed questions whose seed was answered too, and per perturbation kind.

    Args:
        perturbed: question id -> greedy verdict, 0 or 1.
        seed_of: question id -> id of the question that it was made from.
        original: id of a question of another set -> greedy verdict of the same run.
        kinds: question id -> perturbation kind.

    Returns:
        Rows `{"metric", "k", "value", "low", "high", "n"}`, metric `pdr` or `pdr_kind:<kind>`; 95 % interval from a
        bootstrap over seed questions (where all perturbed questions came out the same, from Wilson's interval of their
        accuracy), `n` perturbed questions. Where no seed is answered rightly there is no rate, and
        no row.
    """
    linked = [name for name in perturbed if seed_of.get(name) in original]
    groups = {"pdr": linked} | {
        f"pdr_kind:{kind}": [name for name in linked if kinds.get(name) == kind] for kind in sorted(set(kinds.values()))
    }
    found = []
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
            if sum(changed) in (0, len(names)):  # no spread to resample, which is no certainty
                base = sum(right) / len(right)
                low, high = (1 - rate / base for rate in reversed(wilson(sum(changed), len(names))))
            found.append({"metric": metric, "k": 1, "value": value, "low": low, "high": high, "n": len(names)})
    return found


def across_seeds(
    values: Mapping[tuple[str, str, str], Values], runs: Mapping[str, dict], baseline: tuple[str, str]
) -> list[dict]:
    """Mean accuracy over seeds, and its difference from the baseline, for every kind of run that has several.

    Intervals and p resample seeds and questions both (`gavel.stats.intervals.crossed_bootstrap`). The baseline is one
    checkpoint, from which all seeds start: its own training seed is not varied.

    Args:
        values: (run, checkpoint, set) -> metric values per question.
        runs: run -> `{"algorithm", "lambda", "seed"}`.
        baseline: (run, checkpoint) that differences are taken from.

    Returns:
        Rows with the keys `SEED_COLUMNS`, for greedy accuracy and maj at the largest k of the last checkpoints;
        `lowest` and `highest` are those of single seeds; `p_adjusted` is Holm's over the rows.
    """
    groups = defaultdict(list)
    for run, about in runs.items():
        if run != baseline[0]:
            groups[about["algorithm"], about["lambda"]].append(run)
    rows = []
    for (algorithm, lam), members in groups.items():
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
                about = {"algorithm": algorithm, "lambda": lam, "set": name, "metric": measure[0], "k": measure[1]}
                rows.append(about | _seed_row([table[measure] for table in tables], base, names))
    for row, adjusted in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_adjusted"] = adjusted
    return rows


def _seed_row(tables: list[dict[str, float]], base: dict[str, float], names: list[str]) -> dict:
    table = [[by_question[name] for name in names] for by_question in tables]
    value, low, high, _ = crossed_bootstrap(table)
    means = [sum(row) / len(row) for row in table]
    gains = [[own - base[name] for own, name in zip(row, names, strict=True)] for row in table]
    difference, difference_low, difference_high, p = crossed_bootstrap(gains, resamples=SEED_RESAMPLES)
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


def _csv(columns: list[str], rows: list[dict]) -> str:
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
