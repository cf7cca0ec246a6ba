"""The folder of a published data set: the scored test samples and the rollouts of a run, with their card.

A part of it, such as the samples of one test set, is a configuration with one split.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from huggingface_hub import DatasetCard, DatasetCardData

from gavel import __version__
from gavel.common.errors import InputError, first_line
from gavel.common.files import write_text
from gavel.data import rollouts
from gavel.data.gold import Question, read_questions
from gavel.publish.chosen import Chosen, Plan, card_of, has_rollouts, rewards_tell_answers, source_of, title
from gavel.publish.markdown import Markdown, render, with_metadata
from gavel.report.sections.samples import write_all

CARD = "README.md"
TEST, TRAIN = "test", "train"  # splits
ROLLOUTS = "rollouts"
# Columns of the rollouts that tell whether a completion is correct, if its reward was computed from the gold answer.
TELLING = ("judge", "reward", "advantage")
SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M", 10_000_000: "1M<n<10M"}


class Part(NamedTuple):
    """A configuration of the data set; `path` is relative to its folder."""

    name: str
    split: str
    path: str
    rows: int
    what: str


def write_dataset(chosen: Chosen, plan: Plan, folder: Path) -> None:
    """Write the tables and the card to a new folder.

    Gold answers of unlabelled questions are left out, and so are rewards that were computed from them, unless
    `plan.answers`.

    Raises:
        InputError: the study's samples, rollouts or questions cannot be read.
    """
    folder.mkdir(parents=True)
    parts = [*_write_samples(chosen, folder), *_write_rollouts(chosen, plan, folder)]
    write_text(folder / CARD, dataset_card(chosen, plan, parts))


def dataset_card(chosen: Chosen, plan: Plan, parts: list[Part]) -> str:
    """The card's text, with its metadata."""
    configs: list[dict[str, Any]] = [
        {"config_name": part.name, "data_files": [{"split": part.split, "path": part.path}]} for part in parts
    ]
    configs[0]["default"] = True
    rows = sum(part.rows for part in parts)
    data = DatasetCardData(
        pretty_name=f"Samples and rollouts of {title(chosen, plan)}",
        license=_license(chosen),
        task_categories=["text-generation"],
        size_categories=next((name for limit, name in SIZES.items() if rows < limit), "10M<n<100M"),
        tags=["gavel"],
        configs=configs,
    )
    tells = rewards_tell_answers(chosen)
    context = {
        "title": title(chosen, plan),
        "repo": Markdown(plan.dataset_repo or "PATH_OF_THIS_FOLDER"),
        "model": plan.repo and Markdown(plan.repo),
        "name": chosen.name,
        "run": chosen.run,
        "baseline": chosen.results.baseline,
        "is_baseline": chosen.is_baseline,
        "study": chosen.results.study["study"],
        "parts": parts,
        "rollouts": has_rollouts(chosen),
        "answers": plan.answers,
        "hidden": TELLING if tells and not plan.answers else (),
        "terms": [str(term["file"]) for term in chosen.results.study["rl"]["reward_terms"]],
        "sources": sorted(
            f"{one['name']} @ {one['commit']}" for one in chosen.sources.values() if one["kind"] == "dataset"
        ),
        "version": __version__,
    }
    return with_metadata(DatasetCard, data, render("dataset_card.md.j2", context))


def _license(chosen: Chosen) -> str | None:
    """The licence that all sources of questions have in common; None if one of them is not known to have it."""
    tests = [f"tests.{name}" for name in chosen.results.study["data"]["tests"]]
    keys = ["train", *tests]
    found = {str(card_of(chosen, f"data/{key}").get("license")) for key in keys if source_of(chosen, key)}
    known = len(found) == 1 and all(source_of(chosen, key) for key in keys)
    return found.pop() if known and found != {"None"} else None


def _write_samples(chosen: Chosen, folder: Path) -> Iterator[Part]:
    """Write a table for each test set: the samples of the run and of the baseline."""
    results = chosen.results
    runs = list(dict.fromkeys([results.baseline.run, chosen.run]))
    for name in results.sets:
        sources = [(run, name, results.files.evaluation(run, name).samples) for run in runs]
        if missing := [file for _, _, file in sources if not Path(file).is_file()]:
            raise InputError(f"{missing[0]}: no such file; run the study again, or publish the model with --no-dataset")
        path = folder / "samples" / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        write_all(sources, path, results.study["evaluation"]["best_of"])
        rows = pq.read_metadata(path).num_rows
        yield Part(f"samples-{name}", TEST, path.relative_to(folder).as_posix(), rows, f"responses to test set {name}")


def _write_rollouts(chosen: Chosen, plan: Plan, folder: Path) -> Iterator[Part]:
    """Write the completions of the run's training with their questions, one row group for each rollout."""
    if not has_rollouts(chosen):
        return
    files = chosen.results.files
    known = [files.data.labeled, files.data.unlabeled, *[files.withheld] * plan.answers]
    questions = read_questions([path for path in known if Path(path).exists()])
    hidden = TELLING if rewards_tell_answers(chosen) and not plan.answers else ()
    path = folder / ROLLOUTS / "train.parquet"
    path.parent.mkdir()
    schema = rollouts.SCHEMA
    for place, column in enumerate(("question", "gold")):
        schema = schema.insert(3 + place, pa.field(column, pa.string()))
    kept = Path(files.runs(chosen.run).rollouts, rollouts.FILE)
    try:
        with pq.ParquetFile(kept) as source, pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for number in range(source.num_row_groups):
                writer.write_table(_published(source.read_row_group(number), questions, hidden, schema))
            rows = source.metadata.num_rows
    except pa.ArrowInvalid as error:
        raise InputError(f"{kept}: cannot be read ({first_line(error)}); delete it and train this run again") from None
    yield Part(ROLLOUTS, TRAIN, path.relative_to(folder).as_posix(), rows, "completions of the training")


def _published(
    table: pa.Table, questions: Mapping[str, Question], hidden: tuple[str, ...], schema: pa.Schema
) -> pa.Table:
    """A rollout with its questions, and without hidden values of unlabelled ones."""
    asked = [questions.get(name) for name in table["id"].to_pylist()]
    columns = {name: table[name] for name in table.column_names}
    columns["question"] = pa.array([one and one.text for one in asked], pa.string())
    columns["gold"] = pa.array([one and one.gold for one in asked], pa.string())
    for name in hidden:
        nothing = pa.scalar(None, schema.field(name).type)
        columns[name] = pc.if_else(table["labeled"], table[name], nothing)
    return pa.table({name: columns[name] for name in schema.names}, schema)
