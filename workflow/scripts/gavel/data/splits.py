"""Split the training problems by hashed ids. `gavel.data.audit` checks the splits.

Problems are ordered by sha256(seed, id): the order does not depend on the file's, and adding a problem does not move
the others.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast

from gavel.common.errors import InputError
from gavel.data.fields import fields_of
from gavel.data.normalise import normalise
from gavel.data.records import LabeledRecord, LoadedRecord, Record
from gavel.solutions.programs import NotConvertible, convert

MAX_SHOWN = 3  # problems named for each reason why solutions do not convert


def make_splits(
    train: Sequence[Record],
    tests: Mapping[str, Sequence[Record]],
    pretrain: Sequence[Record],
    *,
    labeled: int | float,
    unlabeled: int | float,
    validation: int | float,
    seed: int,
    solution_format: Literal["program", "text"],
    reasoning: bool = False,
    label: str = "data",
) -> tuple[dict[str, list[Record]], dict[str, Any]]:
    """Split the training problems into disjoint labelled, unlabelled and validation sets.

    A training problem is removed, and counted, if its normalised question occurs in a test set or in
    `pretrain`. So is one that a perturbed test item was made from (by `seed_id`, or by `seed_question` if it is
    not yet linked), and one that duplicates another question (the smallest id with a gold answer is kept). The
    rest are usable. In hash order, validation takes the first problems with a gold answer. Labelled takes the next
    problems with a gold answer: first those with a solution, which SFT trains on (in program format, one that
    converts), then those with an answer only. Unlabelled takes the remaining ones from the end. So a larger
    labelled set contains a smaller one. Its size does not change validation, nor unlabelled as long as both fit.

    Args:
        train: records.
        tests: name of the set → records.
        pretrain: records.
        labeled, unlabeled, validation: a count, or a fraction in (0, 1) of the usable problems.
        seed: seed of the order.
        solution_format: `program` stores the program of a labelled problem under the key `program`.
        reasoning: programs have the solution's text as comments (`gavel.solutions.programs.convert`).
        label: the config section of the three sizes, for messages.

    Returns:
        ({"labeled", "unlabeled", "validation"} → records, notes). Unlabelled records have None for solution
        and gold. In the notes, `train` = `usable` + the counts under `removed`; `solutions` counts the labelled
        and the validation problems with a solution, and of the problems considered for the labelled set those
        `without` and, by reason, those `not_converted`, with the ids and details of the first ones.

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
    considered = (row for row in order if row["gold"] is not None and row["id"] not in taken)
    chosen = _Chosen([], [], {})
    for row in considered:
        if len(chosen.solved) == sizes["labeled"]:  # converting a million would take minutes
            break
        chosen.add(row, solution_format, reasoning)
    spare = chosen.unsolved[: sizes["labeled"] - len(chosen.solved)]
    labelled = [*chosen.solved, *map(fields_of, spare)]
    taken |= {row["id"] for row in labelled}
    remaining = [row for row in order if row["id"] not in taken]

    left_out = _left_out(removed)
    for name, rows in (("validation", validation_rows), ("labeled", labelled)):
        if len(rows) < sizes[name]:
            also = "" if name == "validation" else f" or {label}.validation"
            raise InputError(
                f"{label}.{name} asks for {sizes[name]} problems with an answer, but {len(rows)} of the {len(usable)} "
                f"usable training problems are left for it{left_out}; lower {label}.{name}{also}, or give more "
                "training problems"
            )
    if len(remaining) < sizes["unlabeled"]:
        raise InputError(
            f"{label}.labeled, {label}.unlabeled and {label}.validation ask for {sizes['labeled']} + "
            f"{sizes['unlabeled']} + {sizes['validation']} questions, but {len(usable)} of the {len(train)} "
            f"training questions are usable{left_out}; lower them or give more training questions"
        )
    splits: dict[str, list[Record]] = {
        "labeled": labelled,
        "unlabeled": [_unlabeled(row) for row in remaining[len(remaining) - sizes["unlabeled"] :]],
        "validation": [fields_of(row) for row in validation_rows],
    }
    validated = _Chosen([], [], {})
    for row in validation_rows:
        validated.add(row, solution_format, reasoning)
    notes = {
        "train": len(train),
        "usable": len(usable),
        "removed": removed,
        "without_gold": sum(row["gold"] is None for row in usable),
        "solutions": {
            "labeled": len(chosen.solved),
            "validation": len(validated.solved),
            "without": sum(not row["solution"] for row in chosen.unsolved),
            "not_converted": chosen.reasons,
        },
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


def _left_out(removed: Mapping[str, Any]) -> str:
    """Why training problems are not usable, in brackets; empty if all are."""
    by_test = [
        (count, f"{what} data.tests.{name}")
        for key, what in (("in_test", "are also in"), ("seed_of_test", "are the source of questions in"))
        for name, count in removed[key].items()
    ]
    others = [(removed["in_pretrain"], "are also in data.pretrain"), (removed["duplicate"], "are repeated")]
    parts = [f"{count:,} {what}" for count, what in [*by_test, *others] if count]
    return f" (of the others, {', '.join(parts)})" if parts else ""


def _rank(seed: int, identity: str) -> str:
    return hashlib.sha256(f"{seed}:{identity}".encode()).hexdigest()


class _Chosen(NamedTuple):
    """Problems with a solution, problems with an answer only, and why solutions do not convert: reason -> `count`,
    and `first`, the ids and details of the first ones."""

    solved: list[Record]
    unsolved: list[Record]
    reasons: dict[str, dict[str, Any]]

    def add(self, row: Record, solution_format: str, reasoning: bool) -> None:
        """Add a problem with a gold answer, in program format with its program."""
        solution = row["solution"]
        if not solution:
            self.unsolved.append(row)
        elif solution_format == "text":
            self.solved.append(fields_of(row))
        else:
            try:
                program = convert(solution, cast(str, row["gold"]), row["question"], reasoning)
            except NotConvertible as problem:
                self.unsolved.append(row)
                reason = self.reasons.setdefault(problem.kind, {"count": 0, "first": {}})
                reason["count"] += 1
                if len(reason["first"]) < MAX_SHOWN:
                    reason["first"][row["id"]] = problem.detail
            else:
                self.solved.append(cast(LabeledRecord, {**fields_of(row), "program": program}))


def _unlabeled(row: Record) -> Record:
    return {**fields_of(row), "solution": None, "gold": None}
