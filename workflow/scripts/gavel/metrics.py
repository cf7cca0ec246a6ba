"""From scored samples to `metrics.csv` and `comparisons.csv`.

Every figure is a mean over questions of one value per question, so that intervals and paired tests resample
questions; the vote over a question's samples is `gavel.voting`'s, intervals and tests are
`gavel.statistics`'. It generates nothing and verifies nothing: answers and verdicts are read from the
samples.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from gavel.errors import InputError
from gavel.files import read_jsonl, write_text
from gavel.statistics import bootstrap_mean, holm, mcnemar, mean_interval, paired_bootstrap
from gavel.voting import maj_at_k, pass_at_k

METRIC_COLUMNS = "run checkpoint algorithm lambda seed set metric k value low high n".split()
COMPARISON_COLUMNS = (
    "run checkpoint baseline set metric k difference low high p n p_adjusted primary gained lost mcnemar_p"
).split()
# What every run is compared with: SFT's checkpoint with the best validation accuracy, where RL starts.
BASELINE = ("sft", "best")
# A p-value of the bootstrap is at least 2 / resamples, and Holm multiplies it by the number of comparisons.
RESAMPLES = 10_000

Values = dict[tuple[str, int], dict[str, float]]


def question_values(rows: Iterable[dict], ks: Sequence[int]) -> Values:
    """One value per question for each metric.

    Args:
        rows: scored samples (sample −1 is the greedy one), in any order.
        ks: the k of maj@k and pass@k; those above the number of samples are left out.

    Returns:
        (metric, k) → question id → value in [0, 1]; `tokens` are tokens per sample. `mean`, `unparsable`,
        `finished` and `tokens` are means over the sampled solutions, or the greedy one where nothing was
        sampled. `greedy_kind:<kind>` holds the greedy verdicts of one perturbation kind.

    Raises:
        InputError: no rows; a sample is there twice; questions differ in their number of samples.
    """
    greedy: dict[str, tuple] = {}
    sampled: dict[str, dict[int, tuple]] = {}
    kinds: dict[str, str] = {}
    for row in rows:
        name, number = row["id"], row["sample"]
        item = (row["answer"], bool(row["correct"]), row["tokens"], bool(row["finished"]))
        place = sampled.setdefault(name, {})
        if number in place or (number < 0 and name in greedy):
            raise InputError(f"question {name}: sample {number} is there twice; generate this set again")
        if number < 0:
            greedy[name] = item
        else:
            place[number] = item
        if row.get("kind"):
            kinds[name] = row["kind"]
    if not sampled:
        raise InputError("no samples; generate this set again")
    n = len(next(iter(sampled.values())))
    for name, items in sampled.items():
        if len(items) != n or (name in greedy) != bool(greedy):
            raise InputError(f"question {name}: {len(items)} samples where the first has {n}; generate again")

    values: Values = {}
    if greedy:
        values["greedy", 1] = {name: float(item[1]) for name, item in greedy.items()}
    # In order of sample number, so that the result does not hang on the order of the file.
    lists = {name: [items[number] for number in sorted(items)] for name, items in sampled.items()}
    if n:
        values["mean", 1] = {name: sum(item[1] for item in items) / n for name, items in lists.items()}
        usable = sorted({k for k in ks if 1 <= k <= n})
        for k in usable:
            values["maj", k] = {
                name: maj_at_k([item[0] for item in items], [item[1] for item in items], k)
                for name, items in lists.items()
            }
        for k in usable:
            values["pass", k] = {name: pass_at_k(n, sum(item[1] for item in items), k) for name, items in lists.items()}
    else:
        lists = {name: [item] for name, item in greedy.items()}
    for metric, part in (
        ("unparsable", lambda item: item[0] is None),
        ("finished", lambda item: item[3]),
        ("tokens", lambda item: item[2]),
    ):
        values[metric, 1] = {name: sum(map(part, items)) / len(items) for name, items in lists.items()}
    for kind in sorted(set(kinds.values())) if greedy else ():
        values[f"greedy_kind:{kind}", 1] = {
            name: value for name, value in values["greedy", 1].items() if kinds.get(name) == kind
        }
    return values


def samples_metrics(rows: Iterable[dict], ks: Sequence[int]) -> list[dict]:
    """The metrics of one file of scored samples, each `{"metric", "k", "value", "low", "high", "n"}`.

    95 % intervals over questions: Wilson's where every question is right or wrong (greedy), bootstrap for
    the rest. `n` counts questions.
    Raises what `question_values` raises.
    """
    return _summaries(question_values(rows, ks))


def _summaries(values: Values) -> list[dict]:
    found = []
    for (metric, k), by_question in values.items():
        numbers = list(by_question.values())
        low, high = bootstrap_mean(numbers) if metric == "tokens" else mean_interval(numbers)
        value = sum(numbers) / len(numbers)
        found.append({"metric": metric, "k": k, "value": value, "low": low, "high": high, "n": len(numbers)})
    return found


def compare(first: dict[str, float], second: dict[str, float]) -> dict:
    """Paired difference, first − second, over the same questions.

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
    difference, low, high, p = paired_bootstrap(a, b, resamples=RESAMPLES)
    gained = lost = exact = None
    if {*a, *b} <= {0, 1}:
        gained = sum(x > y for x, y in zip(a, b, strict=True))
        lost = sum(x < y for x, y in zip(a, b, strict=True))
        exact = mcnemar(gained, lost)
    found = {"difference": difference, "low": low, "high": high, "p": p, "n": len(a)}
    return found | {"gained": gained, "lost": lost, "mcnemar_p": exact}


def write_metrics(
    files: Sequence[tuple[str, str, str, str | Path]],
    runs: dict[str, dict],
    ks: Sequence[int],
    primary: dict,
    out_metrics: str | Path,
    out_comparisons: str | Path,
) -> None:
    """Write both tables of a study.

    Compared are: every run with `sft` (greedy and maj at the largest k), every run with 0 < λ < 1 with its
    algorithm's λ = 1 run of the same seed (greedy), and maj at the largest k with greedy of the same run
    (metric `maj-greedy`). `p_adjusted` is Holm's over all comparisons but the primary one, which keeps its p.

    Args:
        files: (run, checkpoint, set, path) of each file of scored samples.
        runs: run → `{"algorithm", "lambda", "seed"}`; λ is None for `sft`.
        ks: the k of maj@k and pass@k.
        primary: `{"run", "set", "metric", "k", "checkpoint"}` of the comparison with `sft` that was named
            beforehand; k and checkpoint may be left out (1 and last).

    Raises:
        InputError: a file is unusable or two files of a set cover different questions; the message names the
        file.
    """
    values: dict[tuple[str, str, str], Values] = {}
    metrics = []
    for run, checkpoint, name, path in files:
        try:
            values[run, checkpoint, name] = question_values(read_jsonl(path), ks)
        except KeyError as error:
            raise InputError(f"{path}: a row has no {error}; score this set again") from None
        except InputError as error:
            raise error if str(path) in str(error) else InputError(f"{path}: {error}") from None
        about = runs[run] | {"run": run, "checkpoint": checkpoint, "set": name}
        metrics += [about | row for row in _summaries(values[run, checkpoint, name])]
    comparisons = []
    for first, second, metric, k, pair in _pairs(values, runs):
        about = {"run": first[0], "checkpoint": first[1], "baseline": second[0], "set": first[2]}
        try:
            comparisons.append(about | {"metric": metric, "k": k} | compare(*pair))
        except InputError as error:
            raise InputError(f"{first[0]} and {second[0]} on {first[2]}: {error}") from None
    wanted = {"k": 1, "checkpoint": "last"} | primary | {"baseline": "sft"}
    for row in comparisons:
        row["primary"] = all(row[key] == value for key, value in wanted.items() if key in row)
    others = [row for row in comparisons if not row["primary"]]
    for row, adjusted in zip(others, holm([row["p"] for row in others]), strict=True):
        row["p_adjusted"] = adjusted
    for row in comparisons:
        row.setdefault("p_adjusted", row["p"])
    write_text(out_metrics, _csv(METRIC_COLUMNS, metrics))
    write_text(out_comparisons, _csv(COMPARISON_COLUMNS, comparisons))


def _pairs(values: dict[tuple[str, str, str], Values], runs: dict[str, dict]):
    """(first file, second file, metric, k, (first values, second values)) of all possible comparisons."""
    baselines = {name: (run, checkpoint, name) for run, checkpoint, name in values if (run, checkpoint) == BASELINE}
    for key, own in values.items():
        run, checkpoint, name = key
        top = max((k for metric, k in own if metric == "maj"), default=None)
        measures = [("greedy", 1)] if checkpoint == "best" or top is None else [("greedy", 1), ("maj", top)]
        if run != "sft" and name in baselines:
            other = values[baselines[name]]
            for measure in measures:
                if measure in own and measure in other:
                    yield key, baselines[name], *measure, (own[measure], other[measure])
        if run != "sft" and checkpoint == "last" and 0 < runs[run]["lambda"] < 1:
            wanted = {"algorithm": runs[run]["algorithm"], "lambda": 1, "seed": runs[run]["seed"]}
            for verifiable in (candidate for candidate, about in runs.items() if wanted.items() <= about.items()):
                other = (verifiable, "last", name)
                if ("greedy", 1) in own and ("greedy", 1) in values.get(other, {}):
                    yield key, other, "greedy", 1, (own["greedy", 1], values[other]["greedy", 1])
        if top is not None and ("greedy", 1) in own:
            yield key, key, "maj-greedy", top, (own["maj", top], own["greedy", 1])


def _csv(columns: list[str], rows: list[dict]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[column]) for column in columns])
    return out.getvalue()


def _cell(value) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)
