"""Write a study's data files from the config's sources: splits, test sets, and their counts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from gavel.common.errors import InputError
from gavel.common.files import write_json, write_jsonl
from gavel.common.log import info
from gavel.data import sources, tables
from gavel.data.generator import perturbations, problems
from gavel.data.generator.problems import Story
from gavel.data.readers import PERTURBED
from gavel.data.records import Record
from gavel.data.sources import SkippedRows
from gavel.data.splits import make_splits
from gavel.solutions import answer_types


def prepare(
    *,
    train: dict[str, Any],
    tests: Mapping[str, dict[str, Any]],
    pretrain: dict[str, Any] | None,
    labeled: int | float,
    unlabeled: int | float,
    validation: int | float,
    seed: int,
    solution_format: Literal["program", "text"],
    reasoning: bool = False,
    output: str | Path,
    withheld: str | Path | None = None,
    answer_type: str = answer_types.DEFAULT,
) -> dict[str, Any]:
    """Write `pretrain`, `labeled`, `unlabeled`, `validation` and `test/<set>` as JSONL, and `splits.json`.

    `validation-perturbed` holds perturbed versions of generated validation problems, for calibrating the judge by
    perturbation kind; it is empty for other sources.

    Args:
        train, tests, pretrain: sources as in the config (`reader`, `path` or `set`, ...).
        labeled, unlabeled, validation: counts, or fractions of the usable training problems.
        solution_format: of the student's responses; `program` converts the labelled problems' solutions.
        reasoning: programs have the solution's text as comments.
        output: folder for the files.
        withheld: file for the gold answers of unlabelled questions that have one: rows with `id`, `gold` and the
            `solution`. Only the simulated judge, the bounds with all answers and analyses of finished runs read it.
        answer_type: of all gold answers.

    Returns:
        The contents of `splits.json`: rows per file, what was removed and why, which solutions SFT can train on and
        why it cannot train on others. `notes.withheld` counts the unlabelled questions whose gold answer is known, and
        `notes.skip_bad` unreadable rows per source, for sources that set
        `skip_bad`.

    Raises:
        InputError: a source cannot be read, or there are too few problems.
    """
    output = Path(output)
    skipped: dict[str, SkippedRows] = {}
    read = (
        read_source(pretrain, "pretrain", "data.pretrain", skipped=skipped, answer_type=answer_type) if pretrain else []
    )
    taken = {row["question"] for row in read}
    test_rows = read_tests(tests, taken, skipped, answer_type)
    for rows in test_rows.values():
        taken |= {row["question"] for row in rows}
    numbers: dict[str, int] = {}
    pool = read_source(train, "train", "data.train", frozenset(taken), skipped, answer_type, numbers)
    for name, source in tests.items():
        if source["reader"] in PERTURBED:
            others = [row for other, rows in test_rows.items() if other != name for row in rows]
            test_rows[name] = sources.link_seeds(test_rows[name], [*others, *pool])
    splits, notes = make_splits(
        pool,
        test_rows,
        read,
        labeled=labeled,
        unlabeled=unlabeled,
        validation=validation,
        seed=seed,
        solution_format=solution_format,
        reasoning=reasoning,
    )
    _explain(notes["solutions"], len(splits["labeled"]), train.get("path"), numbers)
    if skipped:
        notes["skip_bad"] = {name: rows.count for name, rows in skipped.items()}
    used = taken | {row["question"] for rows in splits.values() for row in rows}
    for name, rows in {
        "pretrain": read,
        **splits,
        "validation-perturbed": perturb_records(train, splits["validation"], frozenset(taken), used, seed),
        **{f"test/{name}": rows for name, rows in test_rows.items()},
    }.items():
        write_jsonl(output / f"{name}.jsonl", rows)
    without = {row["id"] for row in splits["unlabeled"]}
    hidden = [row for row in pool if row["id"] in without and row["gold"] is not None]
    notes["withheld"] = len(hidden)
    if withheld is not None:
        write_jsonl(withheld, ({key: row.get(key) for key in ("id", "gold", "solution")} for row in hidden))
    counts = {"pretrain": len(read)} | {name: len(rows) for name, rows in splits.items()}
    summary = {
        "counts": counts | {f"test/{name}": len(rows) for name, rows in test_rows.items()},
        "notes": notes,
    }
    write_json(output / "splits.json", summary)
    return summary


def read_source(
    source: dict[str, Any],
    name: str,
    label: str,
    exclude: frozenset[str] = frozenset(),
    skipped: dict[str, SkippedRows] | None = None,
    answer_type: str = answer_types.DEFAULT,
    numbers: dict[str, int] | None = None,
) -> Sequence[Record]:
    """Read the records of one source of the config; the generator does not make the questions in `exclude`.

    With `skip_bad`, invalid rows are reported, skipped, and counted under `name` in `skipped`. `numbers` is as in
    `gavel.data.sources.load`.
    """
    if source["reader"] == "generator":
        return [row for _, row in generate_stories(source, name, exclude)]
    keys = ("path", "name", "split", "revision", "limit", "draw", "draw_per_kind", "columns")
    left_out = SkippedRows() if source.get("skip_bad") else None
    label = f"{label}.path"
    options: dict[str, Any] = {key: source.get(key) for key in keys} | {"answer_type": answer_type}
    records = sources.load(source["reader"], **options, label=label, skipped=left_out, numbers=numbers)
    if left_out:
        left_out.log_summary(source["path"])
        if skipped is not None:
            skipped[name] = left_out
    return records


def _explain(solutions: dict[str, Any], labeled: int, path: str | None, numbers: Mapping[str, int]) -> None:
    """Log how many labelled problems have a solution and why others do not convert; name the rows by their places.

    Args:
        solutions: `notes.solutions` of `gavel.data.splits.make_splits`.
        labeled: number of labelled problems.
        path: their data set; None if they were generated.
        numbers: their row numbers by id, as `gavel.data.sources.load` gives them.
    """
    info(f"{solutions['labeled']} of {labeled} labelled questions have a solution that SFT can train on")
    if not solutions["not_converted"]:
        return
    place = tables.places(path or "")
    for kind, reason in solutions["not_converted"].items():
        rows = [
            f"{place(numbers[name]) if name in numbers else name}: {detail}" for name, detail in reason["first"].items()
        ]
        reason["first"] = rows
        info(f"{reason['count']} solutions do not convert to a program ({kind}); the first: {'; '.join(rows)}")


def generate_stories(source: dict[str, Any], name: str, exclude: frozenset[str]) -> list[tuple[Story, Record]]:
    """(story, record) pairs of a generator source; `name` becomes part of the ids."""
    return problems.generate(source["set"], source["size"], source["seed"], f"generator-{name}", exclude)


def perturb_records(
    train: dict[str, Any], rows: Sequence[Record], exclude: frozenset[str], used: set[str], seed: int
) -> list[Record]:
    """Perturb `rows` into as many new problems, less those whose question is in `used`."""
    if train["reader"] != "generator":
        return []
    ids = {row["id"] for row in rows}
    stories = [(story, row) for story, row in generate_stories(train, "train", exclude) if row["id"] in ids]
    made = perturbations.perturb(stories, len(rows), seed, "generator-validation-perturbed")
    return [row for row in made if row["question"] not in used]


def read_tests(
    tests: Mapping[str, dict[str, Any]],
    exclude: set[str],
    skipped: dict[str, SkippedRows] | None = None,
    answer_type: str = answer_types.DEFAULT,
) -> dict[str, Sequence[Record]]:
    """Read the records of every test set; perturbed sets are made from the stories of the set that they name.

    `skipped` and `answer_type` are as in `read_source`.
    """
    stories: dict[str, list[tuple[Story, Record]]] = {}
    rows: dict[str, Sequence[Record]] = {}
    for name, source in tests.items():
        if source["reader"] != "generator":
            rows[name] = read_source(source, name, f"data.tests.{name}", skipped=skipped, answer_type=answer_type)
        elif source["set"] != "plus":
            stories[name] = generate_stories(source, name, frozenset(exclude))
            rows[name] = [row for _, row in stories[name]]
    for name, source in tests.items():
        if source["reader"] == "generator" and source["set"] == "plus":
            if source["perturbs"] not in stories:
                raise InputError(f"data.tests.{name}.perturbs: {source['perturbs']!r} is not a generated test set")
            rows[name] = perturbations.perturb(
                stories[source["perturbs"]], source["size"], source["seed"], f"generator-{name}"
            )
    return {name: rows[name] for name in tests}
