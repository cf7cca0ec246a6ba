"""What a self-taught judge has learnt from: pairs made without labels, and judgments of them, some to be read."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

from gavel.files import read_jsonl
from gavel.report.load import Results
from gavel.report.samples import ending, short
from gavel.report.words import MISSING, Table, count, share_cell, text
from gavel.statistics import clustered_mean

WAYS = {"changed-question": "another question's answer", "injected-error": "an injected error"}


def material(results: Results) -> Table:
    """Rows: each iteration's pairs, all and by the way in which the worse solution was made. Columns: how many, of how
    many questions, and the share of judgments that reached the better solution."""
    columns = [("iteration", ""), ("worse solution by", ""), ("pairs", ""), ("questions", "")]
    columns += [("judgments", "drawn, in both orders"), ("reached", "the better solution, in %")]
    table = Table(columns, [])
    for number, (pairs, path) in enumerate(_files(results), 1):
        about = {row["id"]: row for row in read_jsonl(pairs)} if pairs.exists() else {}
        said: dict[str, list[bool]] = {}
        for row in read_jsonl(path) if path.exists() else ():
            said.setdefault(row["id"], []).append(row["reached"])
        ways = list(dict.fromkeys(row["subset"] for row in about.values()))
        for way in ["all", *(ways if len(ways) > 1 else [])]:
            own = {name: row for name, row in about.items() if way in ("all", row["subset"])}
            drawn = [(own[name]["prompt"], float(one)) for name in own for one in said.get(name, ())]
            cells = [text(number), text(WAYS.get(way, way)), count(len(own) or None)]
            cells += [count(len({row["prompt"] for row in own.values()}) or None), count(len(drawn) or None)]
            table.rows.append([*cells, _share(drawn)])
    return table


def _share(drawn: Iterable[tuple[str, float]]):
    """A share with its interval over questions."""
    if not drawn:
        return MISSING
    groups, values = zip(*drawn, strict=True)
    low, high = clustered_mean(groups, values)
    return share_cell(SimpleNamespace(value=sum(values) / len(values), low=low, high=high))


def to_read(results: Results, seed: int) -> list[dict]:
    """Up to three judgments of the last iteration: one that reached the better solution for each label, and one that
    did not; none of a judge that writes nothing before its label.

    Args:
        seed: of the choice, which depends on nothing but it and the judgments.

    Returns:
        `{"iteration", "id", "prompt" (its end), "judgment", "label", "reached"}`.
    """
    written = [(number, path) for number, (_, path) in enumerate(_files(results), 1) if path.exists()]
    if not written:
        return []
    number, path = written[-1]
    first: dict[tuple, tuple[bytes, dict]] = {}
    for row in read_jsonl(path):
        if len(row["judgment"].split()) < 2:
            continue
        group = (not row["reached"], row["label"] if row["reached"] else "")
        key = f"{seed}/{row['prompt']}/{row['judgment']}".encode()
        draw = hashlib.blake2b(key, digest_size=8).digest()
        if group not in first or draw < first[group][0]:
            first[group] = draw, row
    return [
        {"iteration": number, "id": row["id"], "label": row["label"].strip(), "reached": row["reached"]}
        | {"prompt": ending(row["prompt"]), "judgment": short(row["judgment"].strip("\n"))}
        for _, (_, row) in sorted(first.items(), key=lambda item: item[0])
    ]


def _files(results: Results) -> list[tuple[Path, Path]]:
    """(pairs, judgments) of each iteration, there or not."""
    taught = (results.study.get("judge") or {}).get("self_taught")
    folder = results.root / "judge" / "training"
    numbers = range(1, (taught["iterations"] if taught else 0) + 1)
    return [(folder / f"pairs{number}.jsonl", folder / f"judgments{number}.jsonl") for number in numbers]
