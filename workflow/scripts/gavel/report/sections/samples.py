"""The sample browser: a seeded subset of the scored samples, the most instructive first."""

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

SURE = 0.8  # lowest score that counts as high; the highest that counts as low is 1 - SURE
# Limits for each run and test set, so that all of them are shown and the page stays small.
QUOTAS = {"wrong, scored high": 6, "correct, scored low": 3, "other wrong": 2, "other correct": 2}
SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("run", "set", "id", "kind", "seed_id", "question", "gold", "response", "answer")]
    + [("sample", pa.int32()), ("temperature", pa.float32()), ("tokens", pa.int32())]
    + [("correct", pa.bool_()), ("finished", pa.bool_()), ("judge", pa.float32())]
)
CHOICES = {
    "elo": pa.float32(),
    "knockout": pa.bool_(),
}  # columns of a study that uses these ways to choose the best of n
LONGEST = 1500  # characters shown of a text
CARD_LIMIT = 400  # cards on the page, for any size of the grid


def bucket(row: ScoredSample | VerdictRow) -> str:
    """The key of `QUOTAS` that a scored sample belongs to."""
    judge = row.get("judge")
    if judge is not None and judge >= SURE and not row["correct"]:
        return "wrong, scored high"
    if judge is not None and judge <= 1 - SURE and row["correct"]:
        return "correct, scored low"
    return "other correct" if row["correct"] else "other wrong"


def choose(sources: list[tuple[str, str, str]], seed: int) -> tuple[list[dict[str, Any]], int]:
    """Choose samples to show.

    Args:
        sources: (run label, set, path of scored samples); missing files are skipped.
        seed: the choice depends only on the seed and on each sample's run, set, id and number.

    Returns:
        (cards in display order, number of all samples). A card has run, set, bucket, id, question, gold, response,
        answer, correct, judge, kind, greedy.
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
                continue  # its program was not run
            group = bucket(row)
            key = f"{seed}/{run}/{name}/{row.get('id')}/{row.get('sample', place)}".encode()
            draw = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest())
            heap = heaps[group]
            # The place breaks ties, so that dicts are never compared.
            if len(heap) < QUOTAS[group]:
                heapq.heappush(heap, (-draw, place, row))
            elif -draw > heap[0][0]:
                heapq.heapreplace(heap, (-draw, place, row))
        for group, heap in heaps.items():
            rank = list(QUOTAS).index(group)
            kept += [(rank, -draw, len(kept), _card(run, name, group, row)) for draw, _, row in heap]
    return [card for *_, card in sorted(kept, key=lambda item: item[:3])][:CARD_LIMIT], total


def write_all(sources: list[tuple[str, str, str]], out: Path, best_of: Collection[str] = ()) -> None:
    """Write all scored samples as one Parquet table, with the columns of `SCHEMA` and those of `CHOICES` that are in
    `best_of`."""
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
        # Calibration rows have no answer; None would read as 'no answer found'.
        "answer": (row["answer"] or "none found") if "answer" in row else None,
        "correct": row["correct"],
        "judge": row.get("judge"),
        "kind": row.get("kind"),
        "greedy": row.get("sample", 0) < 0,
    }


def short(text: str | None, longest: int = LONGEST) -> str:
    """The beginning of a text, with a note on how much was cut."""
    text = text or ""
    return text if len(text) <= longest else text[:longest] + f" … [{len(text) - longest:,} more characters]"


def ending(text: str) -> str:
    """The end of a text, with a note on how much was cut: a prompt ends with what the model continues."""
    return text if len(text) <= LONGEST else f"[{len(text) - LONGEST:,} characters omitted] … {text[-LONGEST:]}"
