"""The sample browser's content: a seeded subset of the scored samples, the most instructive first."""

import hashlib
import heapq
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from gavel.common.files import read_jsonl
from gavel.evaluation.records import ScoredSample
from gavel.judge_eval.records import VerdictRow

SURE = 0.8  # judge scores from here up count as 'sure', up to 1 - SURE as 'sure not'
# Per run and set, so that every cell is seen and the page stays small.
QUOTAS = {"sure and wrong": 6, "doubted but right": 3, "wrong": 2, "right": 2}
SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("run", "set", "id", "kind", "seed_id", "question", "gold", "response", "answer")]
    + [("sample", pa.int32()), ("temperature", pa.float32()), ("tokens", pa.int32())]
    + [("correct", pa.bool_()), ("finished", pa.bool_()), ("judge", pa.float32())]
)
CHOICES = {"elo": pa.float32(), "knockout": pa.bool_()}  # columns of studies whose judge picks by them
LONGEST = 1500  # characters of a text that are shown
MOST = 400  # cards on the page, whatever the size of the grid


def bucket(row: ScoredSample | VerdictRow) -> str:
    """Which of QUOTAS a scored sample falls into."""
    judge = row.get("judge")
    if judge is not None and judge >= SURE and not row["correct"]:
        return "sure and wrong"
    if judge is not None and judge <= 1 - SURE and row["correct"]:
        return "doubted but right"
    return "right" if row["correct"] else "wrong"


def choose(sources: list[tuple[str, str, str]], seed: int) -> tuple[list[dict[str, Any]], int]:
    """Pick samples to show.

    Args:
        sources: (run label, set, path of scored samples); missing files are left out.
        seed: of the choice, which depends on nothing but it and each sample's run, set, id and number.

    Returns:
        (cards in display order, number of samples chosen from). A card has run, set, bucket, id, question,
        gold, response, answer, correct, judge, kind, greedy.
    """
    kept, total = [], 0
    for run, name, path in sources:
        if not Path(path).exists():
            continue
        heaps: dict[str, list[Any]] = {group: [] for group in QUOTAS}
        for place, found in enumerate(read_jsonl(path)):
            row = cast(ScoredSample, found)
            total += 1
            if row["correct"] is None:
                continue  # its program did not run
            group = bucket(row)
            key = f"{seed}/{run}/{name}/{row.get('id')}/{row.get('sample', place)}".encode()
            draw = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest())
            heap = heaps[group]
            # The place breaks ties, so that rows are never compared.
            if len(heap) < QUOTAS[group]:
                heapq.heappush(heap, (-draw, place, row))
            elif -draw > heap[0][0]:
                heapq.heapreplace(heap, (-draw, place, row))
        for group, heap in heaps.items():
            rank = list(QUOTAS).index(group)
            kept += [(rank, -draw, len(kept), _card(run, name, group, row)) for draw, _, row in heap]
    return [card for *_, card in sorted(kept, key=lambda item: item[:3])][:MOST], total


def write_all(sources: list[tuple[str, str, str]], out: Path, best_of: Collection[str] = ()) -> None:
    """All samples that cards are chosen from, as one Parquet table: run, set, the columns of `SCHEMA`, and those of
    `CHOICES` that `best_of` names."""
    schema = SCHEMA
    for name, kind in CHOICES.items():
        schema = schema.append(pa.field(name, kind)) if name in best_of else schema
    with pq.ParquetWriter(out, schema) as writer:
        for run, name, path in sources:
            rows = [_plain(run, name, row, schema) for row in read_jsonl(path)] if Path(path).exists() else []
            writer.write_table(pa.Table.from_pylist(rows, schema))


def _plain(run: str, name: str, row: Mapping[str, Any], schema: pa.Schema) -> dict[str, Any]:
    return {"run": run, "set": name} | {key: row.get(key) for key in schema.names[2:]}


def _card(run: str, name: str, group: str, row: ScoredSample) -> dict[str, Any]:
    return {
        "run": run,
        "set": name,
        "bucket": group,
        "id": row.get("id"),
        "question": short(row.get("question")),
        "gold": row.get("gold"),
        "response": short(row.get("response")),
        # The judge's calibration keeps verdicts only; a null there would read as 'no answer found'.
        "answer": (row["answer"] or "none found") if "answer" in row else None,
        "correct": row["correct"],
        "judge": row.get("judge"),
        "kind": row.get("kind"),
        "greedy": row.get("sample", 0) < 0,
    }


def short(text: str | None) -> str:
    """A text as the page shows it: cut after so many characters, and saying so."""
    text = text or ""
    return text if len(text) <= LONGEST else text[:LONGEST] + f" … [{len(text) - LONGEST:,} more characters]"


def ending(text: str) -> str:
    """The end of a text as the page shows it: a prompt ends with what the model is to go on from."""
    return text if len(text) <= LONGEST else f"[{len(text) - LONGEST:,} characters before] … {text[-LONGEST:]}"
