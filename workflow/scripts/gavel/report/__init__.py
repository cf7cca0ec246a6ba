"""The report: one HTML page, self-contained, made from the files of a results folder.

It computes no metric and trains nothing. Whatever is missing from the folder is named on the page, so that a
study that failed half-way has a report too.
"""

from collections.abc import Callable
from pathlib import Path

import yaml

from gavel.metrics import main_checkpoint
from gavel.report import (
    about,
    benchmark,
    choices,
    crowd,
    curves,
    figures,
    findings,
    hacking,
    judge,
    judge_judgments,
    judge_progress,
    judge_stages,
    robustness,
    rulegraph,
    shell,
    tables,
    votes,
)
from gavel.report.load import Results, load, plain
from gavel.report.samples import QUOTAS, SURE, choose, write_all
from gavel.report.words import Table, flat

UNFINISHED = "unfinished"  # folder in the results folder, of the report of a study that ended before its own
PROVENANCE = ("command", "commit", "generated", "hardware", "versions", "data", "hub")


def render(
    results_dir: str | Path,
    study: dict,
    out: str | Path,
    figures_dir: str | Path | None = None,
    *,
    graph: str | None = None,
    mlflow: dict[str, dict] | None = None,
    samples: str | Path | None = None,
    tables: str | Path | None = None,
) -> None:
    """Write the report.

    Args:
        results_dir: the study's results folder; see DESIGN.md for its files.
        study: the resolved configuration, and `provenance` (`{"versions", "hardware", "commit", "command",
            "generated", "data"}`) and `unseen_kinds` (kinds whose wording pretraining never saw), both optional.
        out: the page to write, under 5 MB; links to files beside it are relative.
        figures_dir: if given, every panel is also written there as an SVG file, with its figure's data as
        CSV.
        graph: the workflow's rules in the dot language (`gavel.report.rulegraph.ask`).
        mlflow: run -> `{"id", "url"}`.
        tables: folder of metrics.csv and its like, if not `results_dir`.
        samples: if given, all scored samples are written there as one Parquet table.

    Raises:
        InputError: a file of the folder is there but malformed.
    """
    results = load(results_dir, study, tables)
    taught = judge_stages.stages(results)
    drawn = [
        figures.against_lambda(results),
        figures.forest(results),
        curves.training(results),
        curves.watched(results),
        curves.diagnostics(results),
        figures.votes(results),
        figures.kinds(results),
        curves.calibration(results),
        benchmark.against_cost(benchmark.labelled({"": results.judge_benchmark})),
        judge_progress.figure(results, taught),
        curves.sft(results),
        rulegraph.figure(graph),
    ]
    sources = [
        (results.names[run], name, results.root / "evaluation" / run / name / "samples.jsonl")
        for run in results.runs
        for name in results.sets
    ]
    if samples is not None:
        write_all(sources, Path(samples), (study.get("evaluation") or {}).get("best_of") or ())
    if figures_dir is not None:
        for figure in drawn:
            figure.beside = shell.address(Path(figures_dir) / f"{figure.name}.csv", Path(out))
    context = {"figure": {figure.name: figure for figure in drawn}} | _context(
        results, taught, sources, mlflow or {}, Path(out)
    )
    shell.write_page("page.html.j2", context, out)
    if figures_dir is not None:
        shell.write_figures(drawn, Path(figures_dir))


def _context(
    results: Results, taught: list[judge_stages.Stage], sources: list[tuple], mlflow: dict[str, dict], out: Path
) -> dict:
    study = results.study
    rows = results.comparisons
    verifiable = {run for run, about in results.runs.items() if about["lambda"] == 1}
    calibration = (results.names["sft"], "judge calibration", results.root / "judge" / "calibration.jsonl")
    seed = int(study.get("seed") or 0)
    cards, total = choose([*sources, calibration], seed)
    verdict, sentence = findings.answer(results)
    tests = rows[(rows.baseline == "sft") & (rows.run != "sft")]
    return {
        "study": study,
        "title": study.get("study", "study"),
        "question": study.get("question") or "What does judge reward add to supervised fine-tuning?",
        "verdict": verdict,
        "answer": sentence,
        "absent": findings.absent(results),
        "seeds": figures.seeds(results),
        "headline": tables.headline(results) if results.sets else None,
        "other": tables.headline(results, other=True),
        "against_sft": tables.comparisons(results, tests),
        "mixed": tables.comparisons(
            results, rows[rows.baseline.isin(verifiable) & (rows.run != rows.baseline)], matched=True
        ),
        "across_seeds": tables.across_seeds(results),
        "votes": votes.majority(results),
        "judged_votes": _filled(results, votes.judged),
        "best_of_n": _filled(results, choices.best_of_n),
        "taken": choices.taken(results),
        "pairs": hacking.pairs(results),
        "crowded": crowd.left_out(results).replace("; the CSV has all", ""),
        "wrongly_paid": hacking.wrongly_paid(results),
        "corrected": int((~rows.primary.astype(bool) & (rows.checkpoint == rows.run.map(main_checkpoint))).sum()),
        "judge_alone": findings.judge_alone(results),
        "collapses": findings.collapses(results),
        "kinds": {
            name: table
            for name in results.sets
            if (table := robustness.kinds(results, name, set(study.get("unseen_kinds") or ()))).rows
        },
        "drops": _filled(results, robustness.drops),
        "splits_by_answer": _filled(results, robustness.split),
        "calibration": results.calibration,
        "judge": (study.get("judge") or {}).get("model"),
        "judge_trained": taught[-1].name if taught else None,
        "calibration_table": judge.calibration(results.calibration) if results.calibration else None,
        "judge_parts": judge.parts(results.calibration or {}),
        "judge_probes": judge.probes(results.calibration or {}),
        "judge_policies": judge.policies(results),
        "judge_benchmark": _benchmark(results),
        "judge_training": _judge_training(results, taught, seed),
        "cards": cards,
        "card_total": total,
        "card_rule": QUOTAS,
        "sure": SURE,
        "seed": seed,
        "audit": results.audit,
        "audit_tables": about.audit(results.audit) if results.audit else [],
        "splits": results.splits,
        "notes": "; ".join(flat((results.splits or {}).get("notes"))),
        "algorithms": about.algorithms(results),
        "costs": about.costs(results, mlflow),
        "stages": about.stages(results),
        "total_time": findings.total_time(results),
        "labels": findings.label_use(results),
        "config": yaml.safe_dump(
            plain({key: value for key, value in study.items() if key != "provenance"}),
            sort_keys=False,
            allow_unicode=True,
        ),
        "provenance": dict.fromkeys(PROVENANCE) | (study.get("provenance") or {}),
        "store": (study.get("tracking") or {}).get("uri")
        or f"sqlite:///{study.get('results_dir', 'results')}/mlflow.db",
        "evaluation": shell.beside(results.root / "evaluation", out),
        "links": {
            name: shell.address(results.root / name, out)
            for name in (
                "metrics.csv",
                "comparisons.csv",
                "seeds.csv",
                "samples.parquet",
                "judge/calibration.jsonl",
                "judge/benchmark.csv",
                "judge/benchmark/items.jsonl",
                "judge/probes.jsonl",
                "data/audit.json",
                "evaluation",
            )
            if (results.root / name).exists()
        },
    }


def _benchmark(results: Results) -> dict | None:
    """Tables of the judge benchmark and what was asked; None where the study has none."""
    rows = benchmark.labelled({"": results.judge_benchmark})
    if rows.empty:
        return None
    tables = {"judges": benchmark.judges(rows), "parts": benchmark.parts(rows)}
    return tables | {"asked": benchmark.asked(rows), "written": benchmark.written(results)}


def _judge_training(results: Results, taught: list[judge_stages.Stage], seed: int) -> dict | None:
    """Tables, sentences and judgments of how the judge was trained; None where it pays as it is."""
    if not taught:
        return None
    return {
        "sentence": judge_progress.sentence(results, taught),
        "unfinished": judge_stages.unfinished(taught),
        "gains": judge_progress.gains(results, taught),
        "stages": judge_stages.table(taught),
        "material": judge_judgments.material(results),
        "judgments": judge_judgments.to_read(results, seed),
    }


def _filled(results: Results, make: Callable[[Results, str], Table]) -> dict[str, Table]:
    """Test set -> its table, where that has rows."""
    return {name: table for name in results.sets if (table := make(results, name)).rows}
