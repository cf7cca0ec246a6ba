"""Tables of the data, the algorithms and the cost."""

from typing import Any

import pandas as pd

from gavel.frames.files import baseline_rule, csv_table, matching
from gavel.report.cells import MISSING, Cell, Table, count, difference_hint, join_words, percent, points, seconds, text
from gavel.report.results import Results, Tokens
from gavel.study.rules import RULES

# Action in run.json that ended a run early -> its text in the table.
ENDINGS = {
    "stop": "stopped at step {step}: collapse",
    "rollback": "ended at step {step}: collapse; best validation checkpoint",
    "early_stop": "ended at step {step}: no more progress; best validation checkpoint",
}


def audit_tables(found: dict[str, Any]) -> list[tuple[str, Table]]:
    """(title, table) of each part of the contamination audit."""
    parts = []
    overlap = Table(
        [("split", ""), ("test set", ""), ("same question", "exact match after normalisation")]
        + [
            (f"{found.get('n', 'n')}-gram", "at least one shared"),
            ("template", "at least one shared n-gram with numbers masked"),
        ],
        [],
    )
    for split, sets in (found.get("overlap") or {}).items():
        for name, cell in sets.items():
            counts = [_overlap_cell(cell.get(key)) for key in ("exact", "ngram", "template")]
            overlap.rows.append([text(split), text(name), *counts])
    if overlap.rows:
        parts.append(("Test questions in the data for training and selection", overlap))
    splits = [*(found.get("seeds") or {}).values()][:1]
    columns = [("test set", ""), ("questions", ""), ("with known seed", ""), ("seeds", "distinct"), ("traced to", "")]
    names = list(splits[0].get("in_split", {})) if splits else []
    seeds = Table(columns + [(f"seed in {split}", "") for split in names], [])
    for name, entry in (found.get("seeds") or {}).items():
        traced = ", ".join(f"{other}: {number:,}" for other, number in entry.get("traced_to", {}).items()) or "none"
        cells = [
            text(name),
            *(count(entry.get(key)) for key in ("items", "linked", "distinct")),
            text(traced),
        ]
        seeds.rows.append(cells + [_overlap_cell(entry.get("in_split", {}).get(split)) for split in names])
    if seeds.rows:
        parts.append(("Where the seed questions of perturbed test sets come from", seeds))
    pairs = [pair for key in ("between_splits", "between_tests") for pair in found.get(key) or ()]
    shared = Table([("first", ""), ("second", ""), ("shared questions", "")], [])
    for pair in pairs:
        shared.rows.append([text(pair["first"]), text(pair["second"]), count(pair["count"])])
    if shared.rows:
        parts.append(("Questions that two parts of the data share", shared))
    return parts


def _overlap_cell(cell: dict[str, Any] | None) -> Cell:
    if cell is None:
        return MISSING
    fraction = f"{percent(cell['share'])} %" if cell.get("count") and "share" in cell else ""
    return Cell(f"{cell['count']:,}", fraction, sort=cell["count"])


def algorithm_table(results: Results) -> Table | None:
    """The `algorithm_notes` in run.json, a column per algorithm; None without notes."""
    notes = {
        about["algorithm"]: about["algorithm_notes"] for about in results.runs.values() if about.get("algorithm_notes")
    }
    keys = list(dict.fromkeys(key for entry in notes.values() for key in entry))
    table = Table([("", ""), *((name.upper(), "") for name in notes)], [])
    for key in keys:
        cells = [text(_note(entry.get(key, "–"))) for entry in notes.values()]
        table.rows.append([text(key.replace("_", " ")), *cells])
    return table if keys else None


def _note(value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return join_words([str(part) for part in value]) if isinstance(value, list) else value


def run_table(results: Results, mlflow: dict[str, dict[str, Any]]) -> Table:
    """The cost of each run, its gain over the baseline per hour (on the first test set), and its MLflow run."""
    columns = [
        ("run", ""),
        ("training", "wall-clock time"),
        ("steps", ""),
        ("best step", "by validation"),
    ]
    columns += [("completions", "generated in training"), ("tokens", "prompts and completions trained on")]
    columns += [("judge tokens", "read and written by the judge, including validation")]
    columns += [("memory, MiB", "peak of the training job")]
    columns += [("labels", "labelled questions trained on")]
    columns += [
        ("unlabelled", "unlabelled questions trained on"),
        ("points / h", difference_hint(results.baseline) + ", per hour of training"),
    ]
    columns += [("MLflow run", "")] if mlflow else []
    table = Table(columns, [])
    for run, about in results.runs.items():
        gain = results.comparison(run, results.baseline.run, results.sets[0], "greedy") if results.sets else None
        speed = MISSING
        if gain and about.get("seconds"):
            hourly = gain.difference / about["seconds"] * 3600
            speed = Cell(points(hourly, 0), sort=hourly)
        time = Cell(seconds(about.get("seconds")), sort=about.get("seconds") or 0)
        numbers = [count(about.get(key)) for key in ("steps", "best_step", "completions")]
        numbers += [count(number) for number in (*tokens(results, run), memory(results, run))]
        numbers += [count(about.get(key)) for key in ("labels", "unlabeled")]
        status = about["status"]
        if ended := about.get("ended"):
            status = ENDINGS[ended["action"]].format(step=ended["step"])
        place = mlflow.get(run, {})
        tracked = [Cell(place.get("id", "–")[:8], number=False, link=place.get("url"))] if mlflow else []
        table.rows.append(
            [text(results.names[run], "" if status == "finished" else status), time, *numbers, speed, *tracked]
        )
    return table


def tokens(results: Results, run: str) -> Tokens:
    """Tokens of one run's training: those trained on, and the judge's (with validation); None if not logged."""
    training, validations = (tables.get(run, pd.DataFrame()) for tables in (results.training, results.monitors))
    read = [table.judge_tokens.sum() for table in (training, validations) if "judge_tokens" in table]
    return Tokens(trained_tokens(training), sum(read) if read else None)


def trained_tokens(training: pd.DataFrame) -> float | None:
    """Tokens of prompts and completions by TRL's counter, which restarts when a run resumes; None if not logged."""
    if "num_tokens" not in training:
        return None
    counted = training.num_tokens
    return counted.diff().where(lambda grown: grown >= 0, counted).sum()


def memory(results: Results, run: str) -> float | None:
    """Peak memory of a run's training job in MiB; None without Snakemake's benchmark file."""
    jobs = results.benchmarks
    rule = RULES[baseline_rule(run) or "train_rl"]
    own = jobs[(jobs.rule == rule.group) & (jobs.job == run)].memory
    return None if own.empty else own.max()


def rule_table(results: Results) -> Table | None:
    """Time, peak memory and tokens per rule, from benchmark and usage files; None without benchmark files."""
    if results.benchmarks.empty:
        return None
    columns = [("rule", ""), ("jobs", ""), ("time, all jobs", ""), ("longest", ""), ("peak memory, MiB", "")]
    columns += [
        ("tokens", "trained on, or else generated"),
        ("judge tokens", "read and written by the judge, or that it was trained on"),
    ]
    table = Table(columns, [])
    counts = [tokens(results, run) for run in results.runs if run != results.baseline.run]
    trained = Tokens(*(_sum(column) for column in zip(*counts, strict=True)))
    used = results.usage | {RULES["train_rl"].group: trained}
    stages = matching(results.files, results.files.judge.training("*").training)
    read = [csv_table(path) for path in stages if path.stat().st_size]
    used |= {RULES["train_judge"].group: Tokens(judge=_sum(map(trained_tokens, read)))}
    for rule, jobs in results.benchmarks.groupby("rule", sort=False):
        total, longest = jobs.seconds.sum(), jobs.seconds.max()
        times = [Cell(seconds(value), sort=value) for value in (total, longest)]
        spent = [count(number) for number in used.get(rule, Tokens())]
        table.rows.append([text(rule), count(len(jobs)), *times, count(jobs.memory.max()), *spent])
    return table


def _sum(values) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
