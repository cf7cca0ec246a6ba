"""A study's page, and the functions that write any page of the report.

`render` reads a results folder and fills in `page.html.j2`; it computes no metric and trains nothing. The page names
everything that the folder lacks, so that a study that failed half-way also has a report. A page is one HTML file that
loads nothing (`write_page`); its figures can be written beside it (`write_figures`).
"""

import base64
import hashlib
import os
import re
from collections.abc import Callable, Sequence
from html import unescape
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import yaml
from markupsafe import Markup

from gavel.common.files import write_text
from gavel.data import rollouts
from gavel.evaluation.metrics import main_checkpoint
from gavel.report import run_selection
from gavel.report.cells import Table, flatten
from gavel.report.figure import Figure, seeds_sentence
from gavel.report.glossary import GLOSSARY
from gavel.report.results import Results, load, plain_types
from gavel.report.sections import (
    accuracy,
    controls,
    data_and_cost,
    first_screen,
    judge,
    judge_benchmark,
    judge_training,
    perturbation_kinds,
    questions_by_step,
    replays,
    sampling_mismatch,
    summary_sentences,
    training,
    votes,
    watchers,
    workflow,
)
from gavel.report.sections.monitor_errors import monitor_errors
from gavel.report.sections.prompts import rendered_prompts
from gavel.report.sections.samples import QUOTAS, SURE, choose, write_all
from gavel.report.sections.signal import signal_table

SEED = 0  # chooses the samples and judgments on the page
PROVENANCE = ("command", "commit", "generated", "hardware", "versions", "data", "hub", "padding")
# Placeholders for the policy and the style, which depend on the rendered page. Escaping keeps them out of its text.
_POLICY, _STYLE = "<!-- policy -->", "<!-- style -->"
_FIGURE = re.compile(r"<svg\b.*?</svg>", re.DOTALL)
_SHEET = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL)
_ATTRIBUTE = re.compile(r'(<[a-zA-Z][^<>]*?) style="([^"]*)"')


def render(
    results_dir: str | Path,
    study: dict[str, Any],
    out: str | Path,
    figures_dir: str | Path | None = None,
    *,
    mlflow: dict[str, dict[str, Any]] | None = None,
    mlflow_pages: Sequence[tuple[str, str]] = (),
    samples: str | Path | None = None,
    tables: str | Path | None = None,
) -> None:
    """Write the report.

    Args:
        results_dir: the study's results folder; results/README.md names its files.
        study: the resolved config, with the optional keys `provenance` (`{"versions", "hardware", "commit", "command",
            "generated", "data", "hub", "padding"}`) and `unseen_kinds` (kinds whose wording is absent from
            pretraining).
        out: the page to write, under 5 MB; links to files beside it are relative.
        figures_dir: if given, every panel is also written there as SVG, and every figure's data as CSV.
        mlflow: run -> `{"id", "url"}`.
        mlflow_pages: title and address of the study's pages on an MLflow server.
        samples: if given, all scored samples are written there as one Parquet table.
        tables: folder of metrics.csv, comparisons.csv and seeds.csv, if not `results_dir`.

    Raises:
        InputError: a file of the folder is malformed.
    """
    results = load(results_dir, study, tables)
    stages = judge_training.stages(results)
    figures = [
        accuracy.lambda_figure(results),
        accuracy.difference_figure(results),
        training.curves_figure(results),
        training.monitor_figure(results),
        training.truth_figure(results),
        *(replay_plots := replays.replay_figures(results)),
        training.diagnostics_figure(results),
        accuracy.vote_figure(results),
        accuracy.kinds_figure(results),
        judge.calibration_figure(results),
        judge.reliability_figure(results),
        judge_benchmark.cost_figure(judge_benchmark.combine_tables({"": results.judge_benchmark}), results.baseline),
        judge_training.progress_figure(results, stages),
        *([training.sft_figure(results)] if results.baseline.run == "sft" else []),
        workflow.rule_figure(),
    ]
    sources = [
        (results.names[run], name, results.files.evaluation(run, name).samples)
        for run in results.runs
        for name in results.sets
    ]
    if samples is not None:
        write_all(sources, Path(samples), study["evaluation"]["best_of"])
    if figures_dir is not None:
        for figure in figures:
            figure.data_file = relative_url(Path(figures_dir) / f"{figure.name}.csv", out)
    context = {"figure": {figure.name: figure for figure in figures}, "replay_figures": replay_plots} | _context(
        results, stages, sources, mlflow or {}, out
    )
    context["mlflow_pages"] = mlflow_pages
    write_page("page.html.j2", context, out)
    if figures_dir is not None:
        write_figures(figures, Path(figures_dir))


def _context(
    results: Results,
    stages: list[judge_training.Stage],
    sources: list[tuple[Any, ...]],
    mlflow: dict[str, dict[str, Any]],
    out: str | Path,
) -> dict[str, Any]:
    study, files = results.study, results.files
    rows = results.comparisons
    verifiable = {run for run, about in results.runs.items() if about["lambda"] == 1}
    first = results.baseline
    calibration = (results.names[first.run], "judge calibration", files.judge.verdicts)
    cards, total = choose([*sources, calibration], SEED)
    outcome, sentence = summary_sentences.headline_sentence(results)
    tests = rows[(rows.baseline == first.run) & (rows.run != first.run)]
    return {
        "study": study,
        "title": study["study"],
        "question": study["question"] or "What does judge reward add to supervised fine-tuning?",
        "setup": first_screen.setup(results),
        "findings": first_screen.findings(results),
        "outcome": outcome,
        "answer": sentence,
        "notices": summary_sentences.missing_parts(results) + summary_sentences.cut_responses(results),
        "seeds": seeds_sentence(results),
        "main_results": accuracy.main_results_table(results) if results.sets else None,
        "other_results": accuracy.main_results_table(results, other=True),
        "baseline": first,
        "against_baseline": accuracy.comparison_table(results, tests),
        "mixed": accuracy.comparison_table(
            results, rows[rows.baseline.isin(verifiable) & (rows.run != rows.baseline)], matched=True
        ),
        "kinds_of_run": controls.controls_table(results),
        "has_controls": bool(results.controls.runs),
        "replays": replays.replays_table(results),
        "across_seeds": accuracy.seeds_table(results),
        "votes": votes.majority_table(results),
        "judged_votes": _filled(results, votes.judged_table),
        "best_of_n": _filled(results, votes.best_of_n_table),
        "contest_costs": votes.contest_cost_sentence(results),
        "hacked_pairs": training.hacked_pairs(results),
        "left_out": run_selection.omission_note(results),
        "mismatch": sampling_mismatch.mismatch_table(results),
        "mismatch_warnings": sampling_mismatch.mismatch_warnings(results),
        "wrongly_accepted": training.wrongly_accepted_table(results),
        "corrected": int((~rows.primary.astype(bool) & (rows.checkpoint == rows.run.map(main_checkpoint))).sum()),
        "judge_only_runs": summary_sentences.judge_only_runs(results),
        "collapses": summary_sentences.collapses(results),
        "monitor_errors": monitor_errors(results),
        "collapsed": any(results.collapse(run) is not None for run in results.monitors),
        "alarms": watchers.alarms_sentence(results),
        "watchers": watchers.watchers_table(results),
        "kinds": {
            name: table
            for name in results.sets
            if (table := perturbation_kinds.kind_table(results, name, set(study.get("unseen_kinds") or ()))).rows
        },
        "drops": _filled(results, perturbation_kinds.drop_table),
        "splits_by_answer": _filled(results, perturbation_kinds.answerable_table),
        "calibration": results.calibration,
        "signal": signal_table(results),
        "no_signal": (results.signal or {}).get("weak"),
        "judge": study["judge"]["model"] or ", ".join(map(str, judge.panel_members(study))),
        "judge_trained": stages[-1].name if stages else None,
        "calibration_table": judge.calibration_table(results.calibration) if results.calibration else None,
        "reference_table": judge.reference_table(results.calibration or {}),
        "judge_parts": judge.part_tables(results.calibration or {}),
        "judge_probes": judge.probe_table(results.calibration or {}),
        "judge_policies": judge.policy_table(results),
        "judge_benchmark": _benchmark(results),
        "judge_training": _judge_training(results, stages),
        "prompts": rendered_prompts(results),
        "followed": questions_by_step.browser(results),
        "rollout_files": {
            results.names[run]: relative_url(path, out)
            for run in results.names
            if (path := Path(files.runs(run).rollouts, rollouts.FILE)).exists()
        },
        "cards": cards,
        "card_total": total,
        "quotas": QUOTAS,
        "sure": SURE,
        "seed": SEED,
        "glossary": GLOSSARY,
        "audit": results.audit,
        "audit_tables": data_and_cost.audit_tables(results.audit) if results.audit else [],
        "splits": results.splits,
        "notes": "; ".join(flatten((results.splits or {}).get("notes"))),
        "algorithms": data_and_cost.algorithm_table(results),
        "costs": data_and_cost.run_table(results, mlflow),
        "stages": data_and_cost.rule_table(results),
        "total_time": summary_sentences.total_time(results),
        "labels": summary_sentences.label_use(results),
        "config": yaml.safe_dump(
            plain_types({key: value for key, value in study.items() if key != "provenance"}),
            sort_keys=False,
            allow_unicode=True,
        ),
        "provenance": dict.fromkeys(PROVENANCE) | (study.get("provenance") or {}),
        "store": study["tracking"]["uri"] or f"sqlite:///{study['results_dir']}/mlflow.db",
        "evaluation": relative_path(files.evaluations, out),
        "links": {
            path.removeprefix(f"{files.root}/"): relative_url(path, out)
            for path in (
                files.metrics,
                files.comparisons,
                files.seeds,
                files.samples,
                files.questions,
                files.judge.verdicts,
                files.judge.benchmark_csv,
                files.judge.benchmark.items,
                files.judge.probes,
                files.data.audit,
                files.evaluations,
            )
            if Path(path).exists()
        },
    }


def _benchmark(results: Results) -> dict[str, Any] | None:
    """Tables of the judge benchmark and a description of its pairs; None without a benchmark."""
    rows = judge_benchmark.combine_tables({"": results.judge_benchmark})
    if rows.empty:
        return None
    tables = {"judges": judge_benchmark.judge_table(rows), "parts": judge_benchmark.part_tables(rows)}
    return tables | {
        "about": judge_benchmark.about_pairs(rows, results.baseline),
        "written": judge_benchmark.judgment_cards(results),
    }


def _judge_training(results: Results, stages: list[judge_training.Stage]) -> dict[str, Any] | None:
    """Tables, sentences and sample judgments of the judge's training; None if the judge is not trained."""
    if not stages:
        return None
    return {
        "sentence": judge_training.summary(results, stages),
        "unfinished": judge_training.unfinished_stages(stages),
        "gains": judge_training.gain_table(results, stages),
        "stages": judge_training.stage_table(stages),
        "material": judge_training.material_table(results),
        "judgments": judge_training.sample_judgments(results, SEED),
    }


def _filled(results: Results, make: Callable[[Results, str], Table]) -> dict[str, Table]:
    """Test set -> its table, for tables with rows."""
    return {name: table for name in results.sets if (table := make(results, name)).rows}


def write_page(template: str, context: dict[str, Any], out: str | Path) -> None:
    """Fill in a template of this folder with `context`, `policy`, `style` and `js`, and write the page."""
    folder = files("gavel.report")

    def read(name: str) -> str:
        return folder.joinpath(name).read_text(encoding="utf-8")

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(read),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    js = f"\n{read('page.js')}\n"
    parts = {"policy": Markup(_POLICY), "style": Markup(_STYLE), "js": Markup(js)}
    html, rules = _styled(environment.get_template(template).render(**parts, **context))
    css = f"\n{read('page.css')}{rules}\n"
    html = html.replace(
        _POLICY, f'<meta http-equiv="Content-Security-Policy" content="{content_security_policy(css, js)}">', 1
    )
    write_text(out, html.replace(_STYLE, f"<style>{css}</style>", 1))


def content_security_policy(css: str, js: str) -> str:
    """The content security policy of a page with this style and script, which loads nothing (its icon is empty)."""
    return (
        f"default-src 'none'; style-src {_digest(css)}; script-src {_digest(js)}; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _styled(html: str) -> tuple[str, str]:
    """Replace the `style` attributes in a page's figures by classes: a policy would have to list each attribute.

    Returns:
        The page, and the CSS rules of the classes.
    """
    rules: dict[str, None] = {}

    def marked(tag: re.Match[str]) -> str:
        name = f"s{hashlib.sha256(tag[2].encode()).hexdigest()[:10]}"
        rules[f".{name} {{ {unescape(tag[2])} }}"] = None
        return f'{tag[1]} class="{name}"'

    def figure(svg: re.Match[str]) -> str:
        for text in _SHEET.findall(svg[0]):
            rules[f"svg {text.strip()}"] = None  # applies to all elements of a figure
        return _ATTRIBUTE.sub(marked, _SHEET.sub("", svg[0]))

    html = _FIGURE.sub(figure, html)
    return html, "\n".join(rules)


def write_figures(figures: Sequence[Figure], folder: Path) -> None:
    """Write every panel as an SVG file, and every figure's data as CSV."""
    for figure in figures:
        for title, svg in figure.panels:
            suffix = "-".join("".join(char if char.isalnum() else " " for char in title).lower().split())
            write_text(folder / f"{figure.name}-{suffix}.svg", figure_file(svg) + "\n")
        if figure.panels:
            write_text(folder / f"{figure.name}.csv", figure.data.to_csv(index=False, float_format="%.6g"))


def figure_file(svg: str) -> str:
    """A figure as a file, which has no page to take its colours from: the colours of the page's two themes."""
    light, dark = "svg { background: #fff; color: #16191d }", "svg { background: #191d23; color: #e8eaed }"
    style = f"<style>{light} @media (prefers-color-scheme: dark) {{ {dark} }}</style>"
    return re.sub(r"(<svg[^>]*>)", rf"\1{style}", svg, count=1)


def relative_url(path: str | Path, page: str | Path) -> str:
    """A file's address for a link on a page, relative and quoted."""
    return quote(os.fsencode(relative_path(path, page)))


def relative_path(path: str | Path, page: str | Path) -> str:
    """A file's path relative to the folder of a page."""
    return os.path.relpath(path, Path(page).parent).replace(os.sep, "/")
