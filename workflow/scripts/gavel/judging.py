"""`gavel judge`: one judge against a file of solutions with known verdicts."""

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from gavel import judge, study
from gavel.calibration import calibrate
from gavel.errors import InputError
from gavel.judge.access import judge_access

ROOT = Path(__file__).parents[3]
BATCH = 2048  # solutions asked about at a time: memory stays flat, and equal ones in a batch are asked once
FIGURES = "n accuracy accuracy_ci95 auc auc_within auc_within_ci95 auc_within_questions ece off_label_mass".split()


def judge_file(rows: Iterable[tuple[str, str, bool]], path: str, name: str) -> dict:
    """Ask about every (question, response, correct) row.

    Args:
        rows: streamed; only scores and questions' digests are kept.
        path: where the rows come from, for messages.
        name: model folder, hub name, or a study's YAML file whose judge is taken.

    Returns:
        `n`, `accuracy` at 0.5, `accuracy_ci95`, `auc`, `auc_within` (None where undefined), `auc_within_ci95`,
        `auc_within_questions` that have both right and wrong solutions, `ece`, `off_label_mass`,
        `solutions_per_second`, and `missing` where the judge gave no answer on some.

    Raises:
        InputError: the file has no rows, the judge cannot be loaded, or it answers on none.
    """
    watcher = judge.load(**settings(name))
    groups, verdicts, correct = [], [], []
    started = time.perf_counter()
    for batch in _batches(tqdm(rows, disable=None, unit=" rows", leave=False)):
        questions, responses, right = zip(*batch, strict=True)
        verdicts += watcher.verdicts(questions, responses)
        groups += map(hash, questions)
        correct += right
    seconds = time.perf_counter() - started
    if not verdicts:
        raise InputError(f"{path}:1: no rows; expected one JSON object a line")
    found = calibrate(groups, verdicts, correct)
    missing = {"missing": found["missing"]} if found["missing"] else {}
    return {key: found[key] for key in FIGURES} | {"solutions_per_second": found["n"] / seconds} | missing


def _batches(rows: Iterable[tuple]) -> Iterator[list[tuple]]:
    rows = iter(rows)
    while batch := list(islice(rows, BATCH)):
        yield batch


def settings(name: str) -> dict:
    """Keyword arguments of `gavel.judge.load` for a model's name or a study's YAML file."""
    if Path(name).suffix not in (".yaml", ".yml"):
        return {"model": study.find(name, ROOT, "--judge").removeprefix("./")}
    resolved = study.read(name, ROOT)
    return study.judge(resolved) | judge_access(resolved)
