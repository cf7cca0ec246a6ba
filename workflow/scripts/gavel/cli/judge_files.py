"""`gavel judge` at work: one judge is asked about the rows of a file.

These are solutions with known verdicts (`judge_file`), the same of several models (`judge_models`), or pairs of a right
and a wrong solution (`judge_pairs`).
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
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
from gavel.judge_eval.benchmark_figures import figures as pair_figures
from gavel.judge_eval.calibration import calibrate
from gavel.judge_eval.records import PairAnswer
from gavel.study import layout, params, resolve

Row = TypeVar("Row")
BATCH = 2048  # solutions asked about at a time: memory stays flat, and equal ones in a batch are asked once
FIGURES = (
    "n accuracy accuracy_ci95 auc auc_within auc_within_ci95 auc_within_questions margin_within margin_within_ci95 ece "
    "off_label_mass"
).split()
# Of `gavel.judge_eval.benchmark_figures.PARTS` those that are told here.
PARTS = {"error": "subsets", "steps": "steps"}


def judge_file(rows: Iterable[tuple[str, str, bool]], path: str, name: str) -> dict[str, Any]:
    """Ask about every (question, response, correct) row.

    Args:
        rows: streamed; only scores and questions' digests are kept.
        path: where the rows come from, for messages.
        name: model folder, hub name, or a study's YAML file whose judge is taken.

    Returns:
        `n`, `accuracy` at 0.5, `accuracy_ci95`, `auc`, `auc_within` (None where undefined), `auc_within_ci95`,
        `auc_within_questions` that have both right and wrong solutions, `margin_within` between those (mean
        probability of the right ones less that of the wrong ones) and `margin_within_ci95`, `ece`, `off_label_mass`,
        `solutions_per_second`, `missing` where the judge gave no answer on some, and `truncated` where judging prompts
        were cut. For a judge that compares, `accuracy`, `auc` and `ece` are None, and `opponents`, `first_bias` and
        `flipped` say how (`gavel.judge_eval.calibration.compared`).

    Raises:
        InputError: the file has no rows, the judge cannot be loaded, it answers on none, or it compares and the rows of
            a question do not stand together.
    """
    return figures(asked(rows, path, name))


def judge_models(rows: Iterable[tuple[str, str, str, bool]], path: str, name: str) -> dict[str, Any]:
    """Ask about every (model, question, response, correct) row.

    Returns:
        Of all rows what `gavel.cli.judge_files.judge_file` returns, with `tokens_read`, `tokens_written` and `seconds`;
        and `models`: model -> the same figures of its own rows, without cost.

    Raises:
        InputError: as `gavel.cli.judge_files.judge_file`.
    """
    models: list[str] = []

    def unnamed() -> Iterator[tuple[str, str, bool]]:
        for model, question, response, right in rows:
            models.append(model)
            yield question, response, right

    said = asked(unnamed(), path, name)
    cost = {"tokens_read": said.tokens_read, "tokens_written": said.tokens_written, "seconds": said.seconds}
    result = figures(said) | cost
    each = {}
    for model in dict.fromkeys(models):
        places = [place for place, other in enumerate(models) if other == model]
        groups = [said.groups[place] for place in places]
        verdicts = [said.verdicts[place] for place in places]
        correct = [said.correct[place] for place in places]
        each[model] = figures(Asked(groups, verdicts, correct, said.seconds, 0, 0))
        del each[model]["solutions_per_second"]
    return result | {"models": each}


class Asked(NamedTuple):
    """What a judge said of the rows of a file, in order, and what that cost.

    Attributes:
        groups: of each row, a number that its question alone has.
        tokens_read, tokens_written: by the judge's model.
    """

    groups: list[int]
    verdicts: list[verdict.Verdict]
    correct: list[bool]
    seconds: float
    tokens_read: int
    tokens_written: int


def asked(rows: Iterable[tuple[str, str, bool]], path: str, name: str) -> Asked:
    """Ask about every row, as `judge_file` does; raises `InputError` as it does."""
    first, rows = begun(rows, path)
    groups: list[int] = []
    verdicts: list[verdict.Verdict] = []
    correct: list[bool] = []
    with settings(name) as found:
        judge = load.load(**found)
        started = time.perf_counter()
        done: set[int] = set()  # questions of earlier batches
        relative = kinds.is_comparative(found)
        for batch in _batches(tqdm(chain([first], rows), disable=None, unit=" rows", leave=False), whole=relative):
            questions, responses, right = zip(*batch, strict=True)
            if relative:
                _check_together(done, questions, path)
            verdicts += judge.verdicts(questions, responses)
            groups += map(hash, questions)
            correct += right
        seconds = time.perf_counter() - started
    return Asked(groups, verdicts, correct, seconds, judge.usage.read, judge.usage.written)


def _batches(rows: Iterable[tuple], whole: bool) -> Iterator[list[tuple]]:
    """The rows in parts of `BATCH`; with `whole` a part goes on until the question changes."""
    batch: list[tuple] = []
    for row in rows:
        if len(batch) >= BATCH and not (whole and row[0] == batch[-1][0]):
            yield batch
            batch = []
        batch.append(row)
    yield batch


def _check_together(done: set[int], questions: Iterable[str], path: str) -> None:
    own = {hash(question): question for question in questions}
    if again := done & own.keys():
        raise InputError(
            f"{path}: the rows of {own[again.pop()][:60]!r} do not stand together, so the judge cannot hold its "
            "solutions against each other; sort the file by question"
        )
    done.update(own)


def figures(said: Asked) -> dict[str, Any]:
    """What `judge_file` returns."""
    found = calibrate(said.groups, said.verdicts, said.correct)
    missing = {key: found[key] for key in ("missing", "truncated") if found[key]}
    shown = {key: found[key] for key in FIGURES} | (found["comparisons"] or {})
    return shown | {"solutions_per_second": found["n"] / said.seconds} | missing


def judge_pairs(items: Iterable[dict[str, Any]], path: str, name: str) -> dict[str, Any]:
    """Ask about pairs of solutions, as the judge benchmark does (`gavel.judge_eval.benchmark`), with no answer kept.

    Args:
        items: streamed rows with `prompt`, `chosen`, `rejected`, and `subset` and `steps` where they have them; only
            digests of the texts are kept.
        path: where they come from, for messages.
        name: as for `gavel.cli.judge_files.judge_file`.

    Returns:
        `n` pairs with an answer, `questions`, `accuracy` (ties half) and `accuracy_ci95`, `auc`, `auc_within` and
        `auc_within_ci95` of the different single solutions (None for a judge that compares, which has `first_bias` and
        `flipped`), `subsets` and `steps`: part -> `n`, `accuracy`, `accuracy_ci95`; the cost, `prompts`, `tokens_read`,
        `tokens_written` and `seconds`; and `missing` where the judge gave no answer on some.

    Raises:
        InputError: there are no rows, the judge cannot be loaded, or it answers on none.
    """
    first, items = begun(items, path)
    kept: list[dict[str, Any]] = []
    rows: list[PairAnswer] = []
    cost: Counter[str] = Counter()
    with settings(name) as found:
        judge = load.load(**found | {"cache": "off"})
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
    whole, *parts = pair_figures([cast(Pair, item) for item in kept], rows, dict(cost))
    if not whole["n"]:
        raise InputError(f"{path}: the judge answered on no pair; is its server up?")
    result = {"n": whole["n"], "questions": whole["questions"], **_accuracy(whole)}
    if whole["auc"] is None:
        result |= {"auc": None, "auc_within": None, "first_bias": whole["first_bias"], "flipped": whole["flipped"]}
    else:
        within = [whole["auc_within_low"], whole["auc_within_high"]]
        result |= {"auc": whole["auc"], "auc_within": whole["auc_within"], "auc_within_ci95": within}
    for by, title in PARTS.items():
        if own := {row["part"]: {"n": row["n"], **_accuracy(row)} for row in parts if row["by"] == by}:
            result[title] = own
    result |= {key: cost[key] for key in COSTS}
    return result | ({"missing": whole["missing"]} if whole["missing"] else {})


def _accuracy(row: dict[str, Any]) -> dict[str, Any]:
    return {"accuracy": row["accuracy"], "accuracy_ci95": None if row["low"] is None else [row["low"], row["high"]]}


def begun(rows: Iterable[Row], path: str) -> tuple[Row, Iterator[Row]]:
    """The first row and the others; a wrong file should not wait for the model. Raises `InputError` without rows."""
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        raise InputError(f"{path}:1: no rows that could be read; expected one JSON object a line")
    return first, rows


@contextmanager
def settings(name: str) -> Iterator[dict[str, Any]]:
    """Keyword arguments of `gavel.judge.load.load` for a model's name or a study's YAML file.

    Where the study's jobs start the judge's server, it runs while the block does.
    """
    if Path(name).suffix not in (".yaml", ".yml"):
        model = resolve.find(name, ROOT, "--judge").removeprefix("./")
        if not Path(model).exists():
            model = str(download(model, kind="model", revision=None, key="--judge"))
        yield {"model": model}
        return
    resolved = resolve.read(name, ROOT)
    if layout.judge_stages(resolved) and not Path(layout.model(resolved, "judge")).exists():
        raise InputError(
            f"--judge: {name} trains its judge, and {layout.model(resolved, 'judge')} is not there yet; run the study "
            "first (`snakemake judge` makes it), or name the model that it starts from: "
            f"{layout.start_model(resolved, 'judge')}"
        )
    found = params.judge(resolved) | {"model": layout.model_now(resolved, "judge")}
    with TemporaryDirectory() as folder, judge_access(resolved, Path(folder, "log")) as access:
        yield found | access
