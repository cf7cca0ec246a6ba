"""Load published data sets, from the hub or from local files, as records (`gavel.data.records`).

Splits are made in `gavel.data.splits`; `gavel.data.readers` parses the rows of each data set.
"""

import difflib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from gavel.common.errors import InputError, first_line
from gavel.data import tables
from gavel.data.draw import drawn
from gavel.data.fields import FIELDS, fields_of
from gavel.data.normalise import normalise
from gavel.data.readers import COLUMNS, READERS, REPEAT_FILTERS, read_row, readers_for
from gavel.data.records import LoadedRecord, Record
from gavel.solutions import answer_types


class SkippedRows:
    """Counts skipped rows and keeps the errors of the first ones."""

    MAX_SHOWN = 10

    def __init__(self) -> None:
        self.count = 0
        self.first: list[str] = []

    def add(self, problem: InputError) -> None:
        self.count += 1
        if len(self.first) < self.MAX_SHOWN:
            self.first.append(str(problem))

    def log_summary(self, path: str) -> None:
        for problem in self.first:
            print(f"gavel: skipped {problem}", file=sys.stderr)
        more = self.count - len(self.first)
        rows = "1 row" if self.count == 1 else f"{self.count} rows"
        print(f"gavel: {path}: {rows} skipped{f', {more} of them not shown' if more else ''}", file=sys.stderr)


MAX_NAMES = 12  # columns named in a message
_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


def load(
    reader: str,
    *,
    path: str | None,
    name: str | None = None,
    split: str | None = None,
    revision: str | None = None,
    limit: int | None = None,
    draw: int | None = None,
    draw_per_kind: int | None = None,
    columns: Mapping[str, str | None] | None = None,
    label: str,
    skipped: SkippedRows | None = None,
    answer_type: str = answer_types.DEFAULT,
    numbers: dict[str, int] | None = None,
) -> list[LoadedRecord]:
    """Load a data set as records.

    Args:
        reader: a key of `READERS`.
        path: a file (`gavel.data.tables.SUFFIXES`), a folder (written by `save_to_disk`, or in the hub's layout), or a
            data set's name on the hub.
        name: the configuration on the hub, e.g. `main` of `openai/gsm8k`.
        split: split on the hub or in a folder; for a file it is only used in the ids.
        revision: commit, tag or branch on the hub.
        limit: keep only the first rows.
        draw, draw_per_kind: keep so many of the rows, or of each kind of question, drawn by their ids.
        columns: what the reader calls a column -> its name in the data set; None, or no entry, for the same name.
        label: the config key that holds `path`, for messages.
        skipped: counts invalid rows, which are skipped; None raises an error at the first one.
        answer_type: of the gold answers, a key of `gavel.solutions.answer_types.MODULES`.
        numbers: gets each record's row number, counted from 0, by its id.

    Returns:
        Records. Their ids are the rows' own or else `<reader>-<split>-<row>` (`gsm8k-train-00012`), or
        `<file or folder name>-<row>` without a split, with rows counted from 0. records of perturbed layouts also have
        `seed_question`, for `link_seeds`.

    Raises:
        InputError: the data set is missing or empty, has no such column, or a row is invalid; names the key, or file
            and line. A file that cannot be parsed raises even with `skipped`.
    """
    if reader not in READERS:
        raise InputError(f"{label}: unknown reader {reader!r}; choose one of {', '.join(READERS)}")
    if reader not in (fitting := readers_for(answer_type)):
        raise InputError(
            f"{label}: reader {reader!r} does not read answers of the type {answer_type!r}; use "
            f"{', '.join(fitting)}, or another data.answer_type"
        )
    if not path:
        raise InputError(f"{label}: no data set given; set a file, a folder or a name on the hub")
    if limit is not None and limit < 1:
        raise InputError(f"{label}: limit must be at least 1, found {limit}")
    prefix = f"{reader}-{split}" if split else re.sub(r"[^\w.]+", "-", Path(path).stem)
    new: Callable[[dict[str, Any]], bool] = REPEAT_FILTERS[reader]() if reader in REPEAT_FILTERS else lambda row: True
    records: list[LoadedRecord] = []
    ids = {} if numbers is None else numbers
    place: Callable[[int], str] | None = None
    named = {field: column for field, column in (columns or {}).items() if column is not None}
    rows: Iterable[dict[str, Any]] = islice(_rows(path, name, split, revision, label), limit)
    if reader in COLUMNS:
        rows = _renamed(list(rows), named, path, label.removesuffix(".path"))
    for number, row in enumerate(rows):
        try:
            if not new(row):
                continue
            unnamed = dict.fromkeys(FIELDS) | {"id": f"{prefix}-{number:05d}", "source": prefix}
            record = cast(LoadedRecord, unnamed | cast(dict[str, Any], read_row(reader, row, answer_type)))
            if record["id"] in ids:
                raise InputError(
                    f"the id {record['id']!r} is also the id of row {ids[record['id']]}; ids must be unique"
                )
        except InputError as error:
            place = place or tables.places(path)
            problem = f"{place(number)}: {error} ({', '.join([label, f'reader {reader}', *_shown(named)])})"
            if skipped is None:
                raise InputError(f"{problem}; correct the row, or skip such rows with skip_bad") from None
            skipped.add(InputError(problem))
            continue
        ids[record["id"]] = number
        records.append(record)
    records = _drawn(records, draw, draw_per_kind)
    if not records:
        suffix = f" that can be read ({skipped.count} were skipped)" if skipped and skipped.count else ""
        raise InputError(f"{label}: {path} has no rows{suffix}; give a data set with at least one")
    return records


def _drawn(records: list[LoadedRecord], number: int | None, per_kind: int | None) -> list[LoadedRecord]:
    """A part of the records, in their order; it depends on their ids only."""
    most = number or per_kind
    if most is None:
        return records
    kinds: dict[str | None, list[str]] = {}
    for row in records:
        kinds.setdefault(row["kind"] if per_kind else None, []).append(row["id"])
    kept = set().union(*(drawn(names, most) for names in kinds.values()))
    return [row for row in records if row["id"] in kept]


def link_seeds(plus_records: Sequence[Record], main_records: Sequence[Record]) -> list[Record]:
    """Replace `seed_question` by `seed_id`, the id of the first main record with that question.

    Pass the main test set first and the training set after it, so that seeds which are training problems are
    found; `gavel.data.splits.make_splits` then removes them from training. A record's existing `seed_id` is
    kept. Records whose seed is in neither set keep None; the audit counts them. The returned records have the
    fields of a `Record` only.
    """
    ids: dict[str, str] = {}
    for row in main_records:
        ids.setdefault(normalise(row["question"]), row["id"])
    linked: list[Record] = []
    for row in plus_records:
        seed_id = row["seed_id"]
        if seed_id is None and (question := cast(LoadedRecord, row).get("seed_question")):
            seed_id = ids.get(normalise(question))
        linked.append({**fields_of(row), "seed_id": seed_id})
    return linked


def _renamed(rows: list[dict[str, Any]], named: Mapping[str, str], path: str, section: str) -> list[dict[str, Any]]:
    """The rows with their columns under the reader's names.

    Args:
        named: the reader's name of a column -> its name in the data set.
        section: the config section with the key `columns`, for messages.

    Raises:
        InputError: no row has a column of that name, or none is the question's or the answer's.
    """
    present = list(dict.fromkeys(column for row in rows for column in row))
    listed = ", ".join(map(repr, present[:MAX_NAMES])) + (", ..." if len(present) > MAX_NAMES else "")
    for field, column in named.items():
        if rows and column not in present:
            near = difflib.get_close_matches(column, present, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}? Its" if near else "its"
            raise InputError(f"{section}.columns.{field}: {path} has no column {column!r}; {hint} columns: {listed}")
    for field in ("question", "answer"):
        if rows and field not in present and field not in named and not (field == "answer" and "gold" in present):
            raise InputError(
                f"{section}: {path} has no column {field!r}; name the one that holds it in {section}.columns, such as "
                f"`columns: {{{field}: {present[-1] if present else field}}}`; its columns: {listed}"
                + (" (columns must be separated by commas)" if _other_delimiter(present) else "")
            )
    hidden = {"gold"} if "answer" in named else set()  # of a study's own files; `answer` is the model's there
    return [
        {column: value for column, value in row.items() if column not in hidden}
        | {field: row.get(column) for field, column in named.items()}
        for row in rows
    ]


def _other_delimiter(columns: Sequence[str]) -> bool:
    return len(columns) == 1 and any(delimiter in columns[0] for delimiter in ",;\t|")


def _shown(named: Mapping[str, str]) -> list[str]:
    """For messages: which columns the reader's fields are."""
    return [f"{field} in column {column!r}" for field, column in named.items()]


def _rows(path: str, name: str | None, split: str | None, revision: str | None, label: str) -> Iterator[dict[str, Any]]:
    local = Path(path)
    if local.is_file():
        return tables.read_rows(local, label)
    looks_local = local.suffix in tables.SUFFIXES or path[0] in "./~" or not _HUB_NAME.fullmatch(path)
    if looks_local and not local.exists():
        raise InputError(f"{label}: {path} does not exist; check the path")
    return _dataset_rows(local, path, name, split, revision, label)


def _dataset_rows(
    local: Path, path: str, name: str | None, split: str | None, revision: str | None, label: str
) -> Iterator[dict[str, Any]]:
    """Rows of one split, from a folder or from the hub, through the `datasets` library."""
    import datasets  # slow to import, and not needed for files

    # The library's cache does not notice changed files in a folder, so each call uses a new cache.
    with TemporaryDirectory() as new_cache:
        try:
            if (local / "state.json").is_file() or (local / "dataset_dict.json").is_file():
                dataset = datasets.load_from_disk(path)
            else:
                cache = new_cache if local.exists() else None
                dataset = datasets.load_dataset(path, name, split=split, revision=revision, cache_dir=cache)
        except Exception as error:  # the library raises a dozen unrelated types for a missing data set
            if local.exists():
                advice = "check the folder, name and split"
            else:
                advice = "check path, name, split, revision, network and HF_HUB_OFFLINE, or give a local file"
            raise InputError(f"{label}: cannot load {path} ({first_line(error)}); {advice}") from None
        if isinstance(dataset, dict):
            if split not in dataset:
                problem = f"{path} has the splits {', '.join(dataset)}, not {split!r}"
                raise InputError(f"{label}: {problem}; set split to one of them")
            dataset = dataset[split]
        yield from dataset
