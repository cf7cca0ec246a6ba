"""Split the training problems by hashed ids. `gavel.data.audit` checks the splits.

Problems are ordered by sha256(seed, id): the order does not depend on the file's, and adding a problem does not move
the others.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, cast

from gavel.common.errors import InputError
from gavel.data.fields import fields_of
from gavel.data.normalise import normalise
from gavel.data.records import LabeledRecord, LoadedRecord, Record
from gavel.solutions.programs import to_program


def make_splits(
    train: Sequence[Record],
    tests: Mapping[str, Sequence[Record]],
    pretrain: Sequence[Record],
    *,
    labeled: int | float,
    unlabeled: int | float,
    validation: int | float,
    seed: int,
    require_program: bool,
    label: str = "data",
) -> tuple[dict[str, list[Record]], dict[str, Any]]:
    """Split the training problems into disjoint labelled, unlabelled and validation sets.

    A training problem is removed, and counted, if its normalised question occurs in a test set or in
    `pretrain`, if a perturbed test item was made from it (by `seed_id`, or by `seed_question` if it is not yet
    linked), or if it duplicates another question (the smallest id with a gold answer is kept). The rest are
    usable. In hash order, validation takes the first problems with a gold answer. Labelled takes the next
    problems with a gold answer and, if `require_program`, a solution that converts. Unlabelled takes the
    remaining ones from the end. So labelled sets are nested: a larger size includes the smaller. The size does not
    change validation, nor unlabelled as long as both fit.

    Args:
        train: records.
        tests: name of the set → records.
        pretrain: records.
        labeled, unlabeled, validation: a count, or a fraction in (0, 1) of the usable problems.
        seed: seed of the order.
        require_program: labelled problems need a program, which is stored under the key `program`.
        label: the config section of the three sizes, for messages.

    Returns:
        ({"labeled", "unlabeled", "validation"} → records, notes). Unlabelled records have None for solution
        and gold. In the notes, `train` = `usable` + the counts under `removed`; `skipped_for_labeled` counts
        problems that were skipped for the labelled set and so may be among the unlabelled.

    Raises:
        InputError: a size is neither a count nor a fraction, ids repeat, or there are too few problems.
    """
    usable, removed = _usable(train, tests, pretrain)
    sizes = {
        name: _size(value, len(usable), f"{label}.{name}")
        for name, value in (("labeled", labeled), ("unlabeled", unlabeled), ("validation", validation))
    }
    order = sorted(usable, key=lambda row: _rank(seed, row["id"]))

    validation_rows = [row for row in order if row["gold"] is not None][: sizes["validation"]]
    taken = {row["id"] for row in validation_rows}
    labeled_rows: list[Record] = []
    programs: dict[str, str] = {}  # labelled problems only: converting a million would take minutes
    skipped = {"no_gold": 0, "no_program": 0}
    for row in order:
        if len(labeled_rows) == sizes["labeled"]:
            break
        if row["gold"] is None:
            skipped["no_gold"] += 1
        elif row["id"] in taken:
            continue
        elif require_program and (program := _program(row)) is None:
            skipped["no_program"] += 1
        else:
            labeled_rows.append(row)
            programs |= {row["id"]: cast(str, program)} if require_program else {}
    taken |= {row["id"] for row in labeled_rows}
    remaining = [row for row in order if row["id"] not in taken]

    requirement = "an answer and a solution that converts to a program" if require_program else "an answer"
    _enough(validation_rows, sizes, "validation", "an answer", usable, label)
    _enough(labeled_rows, sizes, "labeled", requirement, usable, label)
    if len(remaining) < sizes["unlabeled"]:
        raise InputError(
            f"{label}.labeled, {label}.unlabeled and {label}.validation ask for {sizes['labeled']} + "
            f"{sizes['unlabeled']} + {sizes['validation']} problems, but {len(usable)} of the {len(train)} "
            "training problems are usable; lower them or give more training problems"
        )
    splits: dict[str, list[Record]] = {
        "labeled": [_labeled(row, programs.get(row["id"])) for row in labeled_rows],
        "unlabeled": [_unlabeled(row) for row in remaining[len(remaining) - sizes["unlabeled"] :]],
        "validation": [fields_of(row) for row in validation_rows],
    }
    notes = {
        "train": len(train),
        "usable": len(usable),
        "removed": removed,
        "without_gold": sum(row["gold"] is None for row in usable),
        "skipped_for_labeled": skipped,
        "sizes": sizes,
        "unused": len(remaining) - sizes["unlabeled"],
    }
    return splits, notes


def _usable(
    train: Sequence[Record], tests: Mapping[str, Sequence[Record]], pretrain: Sequence[Record]
) -> tuple[list[Record], dict[str, Any]]:
    """The usable training records, and how many were removed for which (first) reason."""
    if len({row["id"] for row in train}) < len(train):
        raise InputError("training problems: two have the same id; ids must be unique, or omitted from the file")
    in_test = {name: {normalise(row["question"]) for row in rows} for name, rows in tests.items()}
    seed_ids = {name: {row["seed_id"] for row in rows} - {None} for name, rows in tests.items()}
    seed_questions = {
        name: {normalise(text) for row in rows if (text := cast(LoadedRecord, row).get("seed_question"))}
        for name, rows in tests.items()
    }
    in_pretrain = {normalise(row["question"]) for row in pretrain}
    by_test = {"in_test": dict.fromkeys(tests, 0), "seed_of_test": dict.fromkeys(tests, 0)}
    removed = {"in_pretrain": 0, "duplicate": 0}
    seen: set[str] = set()
    usable = []
    for row in sorted(train, key=lambda row: (row["gold"] is None, row["id"])):
        question = normalise(row["question"])
        test = next((name for name in tests if question in in_test[name]), None)
        perturbed = next(
            (name for name in tests if row["id"] in seed_ids[name] or question in seed_questions[name]), None
        )
        if test is not None:
            by_test["in_test"][test] += 1
        elif perturbed is not None:
            by_test["seed_of_test"][perturbed] += 1
        elif question in in_pretrain:
            removed["in_pretrain"] += 1
        elif question in seen:
            removed["duplicate"] += 1
        else:
            seen.add(question)
            usable.append(row)
    return usable, by_test | removed


def _size(value: int | float, usable: int, key: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, float) and 0 < value < 1:
        return int(value * usable)
    raise InputError(f"{key}: expected a count (0 or more) or a fraction between 0 and 1, found {value!r}")


def _enough(
    rows: Sequence[Record], sizes: Mapping[str, int], name: str, requirement: str, usable: Sequence[Record], label: str
) -> None:
    if len(rows) < sizes[name]:
        raise InputError(
            f"{label}.{name} asks for {sizes[name]} problems with {requirement}, but {len(rows)} of the "
            f"{len(usable)} usable training problems are left for it; lower {label}.{name} or "
            f"{label}.validation, or give more training problems"
        )


def _rank(seed: int, identity: str) -> str:
    return hashlib.sha256(f"{seed}:{identity}".encode()).hexdigest()


def _program(row: Record) -> str | None:
    if row["solution"] is None or row["gold"] is None:
        return None
    return to_program(row["solution"], row["gold"], row["question"])


def _labeled(row: Record, program: str | None) -> Record:
    kept = fields_of(row)
    return kept if program is None else cast(LabeledRecord, {**kept, "program": program})


def _unlabeled(row: Record) -> Record:
    return {**fields_of(row), "solution": None, "gold": None}
