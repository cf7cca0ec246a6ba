"""Contamination audit: overlap between a study's training and validation data and its test sets. It removes nothing.

Questions are compared by normalised text and by shared word n-grams. GPT-3's contamination study used 13-grams (Brown
et al. 2020, appendix C); questions of 30 to 50 words need shorter ones.
"""

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence, Set
from itertools import combinations
from typing import Any

from gavel.data.normalise import normalise
from gavel.data.records import Record

MAX_EXAMPLES = 5


def audit(splits: Mapping[str, Sequence[Record]], tests: Mapping[str, Sequence[Record]], n: int = 8) -> dict[str, Any]:
    """Compare each train-side split with each test set.

    Args:
        splits: name → records, e.g. `pretrain`, `labeled`, `unlabeled`, `validation`.
        tests: name → records, with seeds already linked (`gavel.data.sources.link_seeds`).
        n: n-gram length in words; a shorter question is a single n-gram.

    Returns:
        A JSON-serialisable dict:

        - `n`; `splits` and `tests`: name → {`rows`, `duplicates`: rows that repeat an earlier question}
        - `overlap`: split → test set → {`exact`, `ngram`, `template`: {`count`, `share`, `examples`}} over
          test questions: same normalised question; any shared n-gram; any shared n-gram after numbers are
          masked as `<num>`. An example is {`test_id`, `split_id`, `text`}.
        - `seeds`: for each perturbed test set {`items`; `linked`: items with a known seed; `distinct`: their
          distinct seeds; `traced_to`: test set → distinct seeds found in it; `untraced`: linked items whose
          seed is in no test set; `in_split`: split → {`count`, `share`, `examples`} of items whose seed is
          in it}
        - `between_splits`, `between_tests`: list of {`first`, `second`, `count`, `examples`}
        - `notes`: how to read the n-gram counts
        - `clean`: no exact overlap between splits or with a test set, and no seed in a split
    """
    wanted = [
        {gram for rows in tests.values() for row in rows for gram in _row_grams(row, n, masked=masked)}
        for masked in (False, True)
    ]
    indexes = {name: _index(rows, n, *wanted) for name, rows in splits.items()}
    questions, plain, masked = ({name: parts[place] for name, parts in indexes.items()} for place in range(3))
    test_questions = {name: _by_question(rows) for name, rows in tests.items()}
    overlap = {
        split: {
            name: {
                "exact": _found(rows, lambda row: [normalise(row["question"])], questions[split]),
                "ngram": _found(rows, lambda row: _row_grams(row, n, masked=False), plain[split]),
                "template": _found(rows, lambda row: _row_grams(row, n, masked=True), masked[split]),
            }
            for name, rows in tests.items()
        }
        for split in splits
    }
    perturbed = {name: rows for name, rows in tests.items() if any(row["kind"] or row["seed_id"] for row in rows)}
    seeds = {name: _seeds(rows, splits, tests, questions) for name, rows in perturbed.items()}
    between_splits = _common(questions)
    return {
        "n": n,
        "splits": {name: _counts(rows, questions[name]) for name, rows in splits.items()},
        "tests": {name: _counts(rows, test_questions[name]) for name, rows in tests.items()},
        "overlap": overlap,
        "seeds": seeds,
        "between_splits": between_splits,
        "between_tests": _common(test_questions),
        "notes": [
            f"'ngram' counts test questions that share {n} consecutive words with the split, including stock "
            "phrases ('how much money does he have left').",
            "'template' counts the same with numbers masked. Generated problems share templates by design, so "
            "high counts are expected there.",
        ],
        "clean": not (
            any(cell["exact"]["count"] for row in overlap.values() for cell in row.values())
            or any(pair["count"] for pair in between_splits)
            or any(cell["count"] for entry in seeds.values() for cell in entry["in_split"].values())
        ),
    }


def _by_question(rows: Sequence[Record]) -> dict[str, str]:
    """Normalised question → id of the first row that asks it."""
    first_ids: dict[str, str] = {}
    for row in rows:
        first_ids.setdefault(normalise(row["question"]), row["id"])
    return first_ids


def _counts(rows: Sequence[Record], by_question: dict[str, str]) -> dict[str, Any]:
    return {"rows": len(rows), "duplicates": len(rows) - len(by_question)}


def _row_grams(row: Record, n: int, *, masked: bool) -> list[str]:
    words = normalise(row["question"]).split()
    return _grams(_masked(words) if masked else words, n)


def _masked(words: list[str]) -> list[str]:
    return ["<num>" if word[0].isdigit() else word for word in words]


def _grams(words: list[str], n: int) -> list[str]:
    return [" ".join(words[start : start + n]) for start in range(max(1, len(words) - n + 1))]


def _index(rows: Sequence[Record], n: int, plain: Set[str], masked: Set[str]) -> tuple[dict[str, str], ...]:
    """Map a split's normalised questions, n-grams and masked n-grams to the id of the first row that contains each.

    Only n-grams that occur in a test set are kept; those of a million questions would take gigabytes.
    """
    by_question: dict[str, str] = {}
    seen: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for row in rows:
        question = normalise(row["question"])
        by_question.setdefault(question, row["id"])
        words = question.split()
        for index, wanted, form in zip(seen, (plain, masked), (words, _masked(words)), strict=True):
            for gram in _grams(form, n):
                if gram in wanted:
                    index.setdefault(gram, row["id"])
    return by_question, *seen


def _found(rows: Sequence[Record], keys_of: Callable[[Record], list[str]], index: Mapping[str, str]) -> dict[str, Any]:
    """Count the rows with any key in `index` (key → id), with the first examples."""
    hits = []
    for row in rows:
        key = next((key for key in keys_of(row) if key in index), None)
        if key is not None:
            hits.append({"test_id": row["id"], "split_id": index[key], "text": key})
    return {
        "count": len(hits),
        "share": len(hits) / len(rows) if rows else 0.0,
        "examples": hits[:MAX_EXAMPLES],
    }


def _seeds(
    rows: Sequence[Record],
    splits: Mapping[str, Sequence[Record]],
    tests: Mapping[str, Sequence[Record]],
    questions: Mapping[str, dict[str, str]],
) -> dict[str, Any]:
    """Find the seed questions of a perturbed set, by id and, where the text is known, by question."""
    linked = [row for row in rows if row["seed_id"] is not None]
    distinct = {row["seed_id"] for row in linked}
    groups = [*splits.values(), *tests.values()]
    known = {row["id"]: row["question"] for group in groups for row in group if row["id"] in distinct}
    traced = {name: distinct & {row["id"] for row in group} for name, group in tests.items()}
    anywhere = set().union(*traced.values())
    in_split = {}
    for name, group in splits.items():
        index = ChainMap(questions[name], {row["id"]: row["id"] for row in group if row["id"] in distinct})

        def keys_of(row: Record) -> list[str]:
            seed = row["seed_id"]
            return [] if seed is None else [seed, *([normalise(known[seed])] if seed in known else [])]

        in_split[name] = _found(rows, keys_of, index)
    return {
        "items": len(rows),
        "linked": len(linked),
        "distinct": len(distinct),
        "traced_to": {name: len(found) for name, found in traced.items() if found},
        "untraced": sum(row["seed_id"] not in anywhere for row in linked),
        "in_split": in_split,
    }


def _common(questions: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
    pairs = []
    for first, second in combinations(questions, 2):
        shared = sorted(questions[first].keys() & questions[second].keys())
        examples = [
            {"first_id": questions[first][key], "second_id": questions[second][key], "text": key}
            for key in shared[:MAX_EXAMPLES]
        ]
        pairs.append({"first": first, "second": second, "count": len(shared), "examples": examples})
    return pairs
