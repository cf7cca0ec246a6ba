"""Which files the jobs of a finished study have read, and what these say about unlabelled questions."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from gavel.common.files import read_jsonl

ANSWERS = ("gold", "answer", "solution")  # keys under which a file gives a right answer; a program may be the policy's


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
    """(rule, run) of the jobs of some rules that read a withheld answer, or what a job made that read one.

    The run is a part of the output's path.
    """
    withheld = {row["id"]: row["gold"] for row in read_jsonl(results / "withheld/unlabeled.jsonl")}
    assert withheld, "no answer is withheld, so none could be found"
    assert tells_withheld_answers(results / "withheld/unlabeled.jsonl", withheld)
    made = jobs(project)
    data = {name for (rule, output), inputs in made.items() for name in (output, *inputs) if rule == "prepare_data"}
    told = {name for name in data if (project / name).exists() and tells_withheld_answers(project / name, withheld)}
    later = {key: inputs for key, inputs in made.items() if key[0] != "prepare_data"}
    while more := {output for (_, output), inputs in later.items() if inputs & told} - told:
        told |= more
    seen = {rule for rule, _ in made} & rules
    assert seen == rules, f"no job of {rules - seen} has run"
    folder = results.relative_to(project)
    return {
        (rule, Path(output).relative_to(folder).parts[1]) for rule, output in made if rule in rules and output in told
    }
