"""Judging the rows of a file for `gavel judge`.

The rows are responses labelled correct or incorrect (`judge_file`), such responses from several models
(`judge_models`), pairs of a correct and an incorrect response (`judge_pairs`), or responses without labels
(`score_file`).
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeVar, cast

from tqdm import tqdm

from gavel.common.errors import InputError
from gavel.common.paths import ROOT
from gavel.data.hub import download
from gavel.judge import kinds, load, verdict
from gavel.judge.access import judge_access
from gavel.judge.records import Pair
from gavel.judge_eval.benchmark import COSTS, ask
from gavel.judge_eval.benchmark_metrics import compute_metrics as pair_metrics
from gavel.judge_eval.calibration import calibrate
from gavel.judge_eval.records import PairAnswer
from gavel.study.named_judge import named_judge

Row = TypeVar("Row")
BATCH = 2048  # responses per batch: memory stays flat, and equal responses in a batch are judged once
METRICS = (
    "n accuracy accuracy_ci95 tpr tpr_ci95 fpr fpr_ci95 youden_j youden_j_ci95 auc auc_within auc_within_ci95 "
    "auc_within_questions margin_within margin_within_ci95 ece off_label_mass"
).split()
# The parts of `gavel.judge_eval.benchmark_metrics.PARTS` that are reported here.
PARTS = {"error": "subsets", "steps": "steps"}


class JudgedRows(NamedTuple):
    """A judge's verdicts on the rows of a file, in order, and their cost.

    Attributes:
        groups: for each row, a number that identifies its question.
        correct: None where it is unknown.
        tokens_read, tokens_written: by the judge's model.
    """

    groups: list[int]
    verdicts: list[verdict.Verdict]
    correct: list[bool | None]
    seconds: float
    tokens_read: int
    tokens_written: int


class Judged(NamedTuple):
    """A judge's metrics on a file.

    Attributes:
        details: from `judge_file` and `score_file`, for each row `row` (from 0), `correct` (None if unknown),
            `off_label_mass`, and `score` and `probability` (`gavel.judge.verdict.Verdict`), which are None if the judge
            gave no verdict.
    """

    metrics: dict[str, Any]
    details: list[dict[str, Any]]


def judge_file(rows: Iterable[tuple[str, str, bool]], path: str, name: str) -> Judged:
    """Judge every (question, response, correct) row.

    Args:
        rows: streamed; only scores and the questions' digests are kept.
        path: the file of the rows, for messages.
        name: model folder, hub name, or a study's YAML file, for its judge.

    Returns:
        As metrics, `n`; `accuracy` at 0.5 and `accuracy_ci95`; `tpr`, `fpr` and `youden_j` with their intervals
        (`gavel.judge_eval.calibration.error_rates`); `auc`; `auc_within` (None if undefined) and `auc_within_ci95`;
        `auc_within_questions`, the number of questions with both correct and incorrect responses; `margin_within`, the
        mean probability of their correct responses minus that of their incorrect ones, and `margin_within_ci95`; `ece`;
        `off_label_mass`; `solutions_per_second`; `missing` if the judge gave no verdict on some rows; and `truncated`
        if judging prompts were cut. For a pairwise judge, `accuracy`, the rates, `auc` and `ece` are None, and
        `opponents`, `first_bias` and `flipped` are added (`gavel.judge_eval.calibration.position_bias`).

    Raises:
        InputError: the file has no rows; the judge cannot be loaded or answers on no row; or the judge is pairwise and
            the rows of a question are not consecutive.
    """
    judged = judge_rows(rows, path, name)
    return Judged(judge_metrics(judged), _details(judged))


def _details(judged: JudgedRows) -> list[dict[str, Any]]:
    return [
        {"row": row, "correct": correct, "score": found.score, "probability": found.probability}
        | {"off_label_mass": found.off_label}
        for row, (found, correct) in enumerate(zip(judged.verdicts, judged.correct, strict=True))
    ]


def score_file(rows: Iterable[tuple[str, str, None]], path: str, name: str) -> Judged:
    """Score every (question, response, None) row, without knowing which are correct.

    Returns:
        As metrics, `n`; `mean_probability`, `accepted` (the fraction above 0.5) and `off_label_mass`;
        `solutions_per_second`; and `missing` if the judge gave no verdict on some rows.

    Raises:
        InputError: as `judge_file`.
    """
    judged = judge_rows(rows, path, name)
    found = [each for each in judged.verdicts if each.probability is not None]
    probabilities = [cast(float, each.probability) for each in found]
    if not found:
        raise InputError(f"{path}: the judge answered on no row; check that its server is up")
    metrics = {
        "n": len(found),
        "mean_probability": fmean(probabilities),
        "accepted": fmean(value > 0.5 for value in probabilities),
        "off_label_mass": fmean(each.off_label for each in found),
        "solutions_per_second": len(found) / judged.seconds,
    }
    missing = len(judged.verdicts) - len(found)
    return Judged(metrics | ({"missing": missing} if missing else {}), _details(judged))


def judge_models(rows: Iterable[tuple[str, str, str, bool]], path: str, name: str) -> Judged:
    """Judge every (model, question, response, correct) row.

    Returns:
        As metrics, for all rows, those of `gavel.cli.judge_files.judge_file`, with `tokens_read`, `tokens_written` and
        `seconds`; and `models`: model -> the same metrics for its rows, without cost.

    Raises:
        InputError: as `gavel.cli.judge_files.judge_file`.
    """
    models: list[str] = []

    def unnamed() -> Iterator[tuple[str, str, bool]]:
        for model, question, response, right in rows:
            models.append(model)
            yield question, response, right

    judged = judge_rows(unnamed(), path, name)
    cost = {"tokens_read": judged.tokens_read, "tokens_written": judged.tokens_written, "seconds": judged.seconds}
    result = judge_metrics(judged) | cost
    by_model = {}
    for model in dict.fromkeys(models):
        indices = [index for index, other in enumerate(models) if other == model]
        groups = [judged.groups[index] for index in indices]
        verdicts = [judged.verdicts[index] for index in indices]
        correct = [judged.correct[index] for index in indices]
        by_model[model] = judge_metrics(JudgedRows(groups, verdicts, correct, judged.seconds, 0, 0))
        del by_model[model]["solutions_per_second"]
    return Judged(result | {"models": by_model}, [])


def judge_rows(rows: Iterable[tuple[str, str, bool | None]], path: str, name: str) -> JudgedRows:
    """Judge every row, as `judge_file` does. Raises `InputError` as it does."""
    first, rows = first_row(rows, path)
    groups: list[int] = []
    verdicts: list[verdict.Verdict] = []
    correct: list[bool | None] = []
    with settings(name) as arguments:
        judge = load.load(**arguments)
        started = time.perf_counter()
        done: set[int] = set()  # questions of earlier batches
        relative = kinds.is_comparative(arguments)
        every = tqdm(chain([first], rows), disable=None, unit=" rows", leave=False)
        for batch in _batches(every, by_question=relative):
            questions, responses, right = zip(*batch, strict=True)
            if relative:
                _check_together(done, questions, path)
            verdicts += judge.verdicts(questions, responses)
            groups += map(hash, questions)
            correct += right
        seconds = time.perf_counter() - started
    return JudgedRows(groups, verdicts, correct, seconds, judge.usage.read, judge.usage.written)


def _batches(
    rows: Iterable[tuple[str, str, bool | None]], by_question: bool
) -> Iterator[list[tuple[str, str, bool | None]]]:
    """The rows in batches of `BATCH`; with `by_question`, a batch continues until the question changes."""
    batch: list[tuple[str, str, bool | None]] = []
    for row in rows:
        if len(batch) >= BATCH and not (by_question and row[0] == batch[-1][0]):
            yield batch
            batch = []
        batch.append(row)
    yield batch


def _check_together(done: set[int], questions: Iterable[str], path: str) -> None:
    by_hash = {hash(question): question for question in questions}
    if again := done & by_hash.keys():
        raise InputError(
            f"{path}: the rows of {by_hash[again.pop()][:60]!r} are not consecutive, so the judge cannot compare its "
            "responses; sort the file by question"
        )
    done.update(by_hash)


def judge_metrics(judged: JudgedRows) -> dict[str, Any]:
    """The metrics of `judge_file`."""
    report = calibrate(judged.groups, judged.verdicts, cast(list[bool], judged.correct))
    missing = {key: report[key] for key in ("missing", "truncated") if report[key]}
    shown = {key: report[key] for key in METRICS} | (report["comparisons"] or {})
    return shown | {"solutions_per_second": report["n"] / judged.seconds} | missing


def judge_pairs(items: Iterable[dict[str, Any]], path: str, name: str) -> Judged:
    """Judge pairs of responses, as the judge benchmark does (`gavel.judge_eval.benchmark`), without a cache.

    Args:
        items: streamed rows with `prompt`, `chosen`, `rejected`, and optionally `subset` and `steps`; only digests of
            the texts are kept.
        path: the file of the rows, for messages.
        name: as for `gavel.cli.judge_files.judge_file`.

    Returns:
        As metrics, `n`, the number of pairs with an answer; `questions`; `accuracy` (ties count half) and
        `accuracy_ci95`; `auc`, `auc_within` and `auc_within_ci95` of the distinct single responses (None for a pairwise
        judge, which has `first_bias` and `flipped` instead); `subsets` and `steps`: part -> `n`, `accuracy`,
        `accuracy_ci95`; the cost: `prompts`, `tokens_read`, `tokens_written` and `seconds`; and `missing` if the judge
        gave no answer on some.

    Raises:
        InputError: there are no rows, the judge cannot be loaded, or it answers on none.
    """
    first, items = first_row(items, path)
    kept: list[dict[str, Any]] = []
    rows: list[PairAnswer] = []
    cost: Counter[str] = Counter()
    with settings(name) as arguments:
        judge = load.load(**arguments | {"cache": "off"})
        every = iter(tqdm(chain([first], items), disable=None, unit=" pairs", leave=False))
        while batch := list(islice(every, BATCH)):
            answers, spent = ask(judge, [cast(Pair, item | {"id": len(kept)}) for item in batch])
            rows += answers
            kept += [
                {key: hash(item[key]) for key in ("prompt", "chosen", "rejected")}
                | {key: item.get(key) for key in ("subset", "steps")}
                for item in batch
            ]
            cost.update(spent)
    overall, *parts = pair_metrics([cast(Pair, item) for item in kept], rows, dict(cost))
    if not overall["n"]:
        raise InputError(f"{path}: the judge answered on no pair; check that its server is up")
    result = {"n": overall["n"], "questions": overall["questions"], **_accuracy(overall)}
    if overall["auc"] is None:
        result |= {"auc": None, "auc_within": None, "first_bias": overall["first_bias"], "flipped": overall["flipped"]}
    else:
        within = [overall["auc_within_low"], overall["auc_within_high"]]
        result |= {"auc": overall["auc"], "auc_within": overall["auc_within"], "auc_within_ci95": within}
    for by, title in PARTS.items():
        if part_rows := {row["part"]: {"n": row["n"], **_accuracy(row)} for row in parts if row["by"] == by}:
            result[title] = part_rows
    result |= {key: cost[key] for key in COSTS}
    return Judged(result | ({"missing": overall["missing"]} if overall["missing"] else {}), [])


def _accuracy(row: dict[str, Any]) -> dict[str, Any]:
    return {"accuracy": row["accuracy"], "accuracy_ci95": None if row["low"] is None else [row["low"], row["high"]]}


def first_row(rows: Iterable[Row], path: str) -> tuple[Row, Iterator[Row]]:
    """The first row and the remaining ones, read before the model loads. Raises `InputError` if there are none."""
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        raise InputError(f"{path}:1: no rows that can be read; expected one JSON object per line")
    return first, rows


@contextmanager
def settings(name: str, answers: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Keyword arguments of `gavel.judge.load.load` for a model's name or a study's YAML file.

    If the study's jobs start the judge's server, the server runs while the block does.

    Args:
        answers: files with gold answers, for a simulated judge.
    """
    named = named_judge(name, ROOT, "--judge")
    if named.study is None:
        model = named.settings["model"]
        if not Path(model).exists():
            model = str(download(model, kind="model", revision=None, key="--judge"))
        yield {"model": model}
        return
    with TemporaryDirectory() as folder, judge_access(named.study, Path(folder, "log"), answers) as access:
        yield named.settings | access
