"""Which files the jobs of a finished study have read, and what these say about unlabelled questions."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from gavel.common.files import read_jsonl

ANSWERS = ("gold", "answer", "solution", "program")  # keys under which a file may give a right answer


def jobs(project: Path) -> dict[tuple[str, str], set[str]]:
    """(rule, output) -> the inputs of the job that made it, as Snakemake has recorded them."""
    found = {}
    for path in (project / ".snakemake/metadata").iterdir():
        output = base64.b64decode(path.name).decode()
        record = json.loads(path.read_text())
        found[record["rule"], output] = set(record["input"] or ())
    return found


def tells_withheld_answers(path: Path, withheld: dict[str, str]) -> bool:
    """Whether a file, or one in a folder, has the right answer of an unlabelled question beside its id.

    Args:
        withheld: id -> gold answer of the unlabelled questions.
    """
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    return any(
        str(row.get("id")) in withheld and any(row.get(key) is not None for key in ANSWERS)
        for file in files
        for row in _rows(file)
    )


def _rows(file: Path) -> Iterator[dict]:
    if file.suffix == ".jsonl":
        yield from read_jsonl(file)
    elif file.suffix == ".parquet":
        yield from pq.read_table(file).to_pylist()


def informed_jobs(project: Path, results: Path, rules: set[str]) -> set[tuple[str, str]]:
    """(rule, run) of the jobs of some rules that read a withheld answer; the run is a part of the output's path."""
    withheld = {row["id"]: row["gold"] for row in read_jsonl(results / "withheld/unlabeled.jsonl")}
    assert withheld, "no answer is withheld, so none could be found"
    assert tells_withheld_answers(results / "withheld/unlabeled.jsonl", withheld)
    known: dict[str, bool] = {}
    found, seen = set(), set()
    for (rule, output), inputs in jobs(project).items():
        if rule not in rules:
            continue
        seen.add(rule)
        for name in inputs:
            if name not in known:
                known[name] = tells_withheld_answers(project / name, withheld)
            if known[name]:
                found.add((rule, Path(output).relative_to(results.relative_to(project)).parts[1]))
    assert seen == rules, f"no job of {rules - seen} has run"
    return found
