"""The fields of a record, in their order on disk."""

from typing import Any, cast

from gavel.data.records import Record

FIELDS = ("id", "source", "question", "solution", "gold", "kind", "seed_id")


def fields_of(row: Record) -> Record:
    """The fields of a record, without any further keys of its row."""
    return cast(Record, {field: cast(dict[str, Any], row)[field] for field in FIELDS})
