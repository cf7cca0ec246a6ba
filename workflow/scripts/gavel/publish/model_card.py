"""The card of a published model: metadata for the hub, and a page from the study's files."""

from collections.abc import Iterator
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from gavel import __version__
from gavel.publish.chosen import (
    Chosen,
    Plan,
    Score,
    asks_judge,
    card_of,
    has_rollouts,
    is_selected,
    knows_all_answers,
    monitor,
    read_prompt,
    scores,
    source_of,
    title,
    training_commit,
)
from gavel.publish.markdown import Markdown, render, with_metadata
from gavel.publish.model import base_model
from gavel.report.cells import (
    Table,
    count,
    difference_cell,
    estimate_cell,
    interval,
    join_words,
    p_cell,
    percent,
    points,
    seconds,
    text,
)
from gavel.report.figure import seeds_sentence
from gavel.report.results import plain_types
from gavel.report.sections import data_and_cost, first_screen, judge, summary_sentences, training
from gavel.report.sections.controls import SFT_SOURCES, kinds
from gavel.report.sections.samples import QUOTAS, choose
from gavel.study.cost.sizes import size_of

SEED = 0  # chooses the examples
LICENSE = ("license", "license_name", "license_link")  # keys of a card's metadata
CALIBRATION = ("auc_within", "youden_j", "accuracy")  # rows of the judge's table, keys of `judge.BOUNDED`
TASK = "text-generation"


def model_card(chosen: Chosen, plan: Plan) -> str:
    """The card's text, with its metadata.

    Raises:
        InputError: adapters are to be published, and the model below them has no known name.
    """
    return with_metadata(ModelCard, _metadata(chosen, plan), render("model_card.md.j2", _context(chosen, plan)))


def _metadata(chosen: Chosen, plan: Plan) -> ModelCardData:
    base, student = base_model(chosen, plan), chosen.sources.get("student")
    known = card_of(chosen, "student") if student and base == student["name"] else {}
    trained_on = [source_of(chosen, key) for key in ("pretrain", "train")]
    return ModelCardData(
        base_model=base,
        base_model_relation=("adapter" if plan.adapters else "finetune") if base else None,
        library_name="peft" if plan.adapters else "transformers",
        pipeline_tag=TASK,
        datasets=list(dict.fromkeys(source["name"] for source in trained_on if source)) or None,
        tags=_tags(chosen),
        model_name=title(chosen, plan),
        eval_results=list(_results(chosen)),
        **{key: known[key] for key in LICENSE if key in known},
    )


def _tags(chosen: Chosen) -> list[str]:
    algorithm = chosen.about["algorithm"]
    kind = ["sft"] if algorithm == "sft" else ["reinforcement-learning", algorithm]
    return ["gavel", "trl", *kind, *["llm-as-a-judge"] * asks_judge(chosen)]


def _results(chosen: Chosen) -> Iterator[EvalResult]:
    """Accuracy on every test set in percent, rounded as far as the card shows it."""
    tests = chosen.results.study["data"]["tests"]
    for score in scores(chosen):
        if score.own is None:
            continue
        source, section = source_of(chosen, f"tests.{score.set}"), tests.get(score.set) or {}
        yield EvalResult(
            task_type=TASK,
            dataset_type=source["name"] if source else score.set,
            dataset_name=score.set,
            dataset_config=section.get("name") if source else None,
            dataset_split=section.get("split") if source else None,
            dataset_revision=source["commit"] if source else None,
            metric_type="accuracy",
            metric_value=float(percent(score.own.value)),
            metric_name=f"{score.measure} on {score.set}, % (95 % interval {estimate_cell(score.own).sub})",
        )


def _context(chosen: Chosen, plan: Plan) -> dict[str, Any]:
    results, about = chosen.results, chosen.about
    study = results.study | {"provenance": {"parameters": _parameters(chosen)}}
    results.study = study  # `first_screen.setup` reads the number of parameters there
    found = results.calibration or {}
    return {
        "title": title(chosen, plan),
        "repo": Markdown(plan.repo or "PATH_OF_THIS_FOLDER"),
        "base": Markdown(base_model(chosen, plan) or ""),
        "adapters": plan.adapters,
        "what": _what(chosen),
        "statements": _statements(chosen),
        "question": study["question"],
        "answer": ": ".join(summary_sentences.headline_sentence(results)),
        "prompt": read_prompt(chosen),
        "solution": study["solution"],
        "setup": first_screen.setup(results),
        "facts": _facts(chosen),
        "sources": [f"{key}: {one['name']} @ {one['commit']}" for key, one in sorted(chosen.sources.items())],
        "labels": summary_sentences.label_use(results),
        "scores": _scores_table(chosen),
        "baseline": results.baseline,
        "is_baseline": chosen.is_baseline,
        "findings": [f"{one.title}. {one.text}" for one in first_screen.findings(results)],
        "asks_judge": asks_judge(chosen),
        "calibrated": found,
        "calibration": _only(judge.calibration_table(found), [judge.BOUNDED[key] for key in CALIBRATION]),
        "policies": _only(judge.policy_table(results), [results.names[results.baseline.run], chosen.name]),
        "accepted": _only(training.wrongly_accepted_table(results), [results.names[results.baseline.run], chosen.name]),
        "probes": judge.probe_table(found),
        "collapse": _collapse(chosen),
        "audit": dict(data_and_cost.audit_tables(results.audit)) if results.audit else {},
        "cost": _cost(chosen),
        "limits": _limits(chosen),
        "examples": _examples(chosen),
        "dataset": plan.dataset,
        "rollouts": has_rollouts(chosen),
        "dataset_repo": plan.dataset_repo and Markdown(plan.dataset_repo),
        "version": __version__,
        "commit": training_commit(chosen),
        "config": _config(study),
        "about": about,
    }


def _config(study: dict[str, Any]) -> str:
    own = {key: value for key, value in study.items() if key != "provenance"}
    return yaml.safe_dump(plain_types(own), sort_keys=False, allow_unicode=True)


def _parameters(chosen: Chosen) -> dict[str, float]:
    return {"student": size_of(chosen.checkpoint, "student").parameters}


def _what(chosen: Chosen) -> str:
    """A sentence on what was trained from what."""
    about, student = chosen.about, chosen.results.study["student"]["model"]
    start = "a student trained from scratch" if student == "scratch" else str(student)
    sft = chosen.results.baseline.run == "sft"
    if chosen.is_baseline:
        method = "supervised fine-tuning on labelled questions"
    elif about["algorithm"] == "sft":
        method = f"supervised fine-tuning {SFT_SOURCES[about['control']]}"
    else:
        (kind,) = [kind for kind in kinds(chosen.results) if chosen.run in kind.runs]
        first = "supervised fine-tuning, then " if sft else ""
        method = f"{first}{about['algorithm'].upper()}; reward: {kind.source}"
    which = "the best checkpoint by validation" if is_selected(chosen) else "the checkpoint of the last step"
    return f"{chosen.name}: {start} after {method}. These are the weights of {which}."


def _statements(chosen: Chosen) -> list[str]:
    """What must be known before any number: rewards that no deployment could have."""
    found = []
    if knows_all_answers(chosen):
        found.append(
            "This model is an upper bound: it was trained with the gold answers of all questions, also of those that "
            "the study calls unlabelled."
        )
    if asks_judge(chosen) and (what := summary_sentences.simulated_judge(chosen.results)):
        found.append(
            f"{what} simulated from the gold answers of all questions, also of those that the study calls unlabelled; "
            "these scores rewarded this model."
        )
    return found


def _facts(chosen: Chosen) -> list[tuple[str, str]]:
    """The run's own settings and counts."""
    about = chosen.about
    settings = about.get("settings") or {}
    known = [
        ("Run", chosen.run),
        ("λ, the weight of the verifiable reward", about.get("lambda")),
        ("Seed", about.get("seed")),
        ("Steps", about.get("steps")),
        ("Learning rate", settings.get("learning_rate")),
        ("Completions", about.get("completions") or None),
        ("Labelled questions trained on", about.get("labels")),
        ("Unlabelled questions trained on", about.get("unlabeled")),
        ("LoRA", f"rank {settings['lora']['r']}" if settings.get("lora") else None),
        (
            "Ended early",
            data_and_cost.ENDINGS[ended["action"]].format(step=ended["step"])
            if (ended := about.get("ended"))
            else None,
        ),
    ]
    return [
        (name, f"{value:,}" if isinstance(value, int) else str(value)) for name, value in known if value is not None
    ]


def _scores_table(chosen: Chosen) -> Table:
    """Accuracy of the run and of the baseline on every test set, with the paired difference."""
    first = chosen.results.baseline
    columns = [("test set", ""), ("questions", ""), ("measure", ""), (f"{chosen.name}, %", "")]
    if not chosen.is_baseline:
        columns += [(f"{first.label}, %", ""), ("difference, points", ""), ("p, Holm", "")]
    return Table(columns, [_score_row(chosen, score) for score in scores(chosen)])


def _score_row(chosen: Chosen, score: Score) -> list[Any]:
    row, gain = [text(score.set), count(chosen.results.size(score.set)), text(score.measure)], score.difference
    row.append(estimate_cell(score.own))
    if chosen.is_baseline:
        return row
    p = p_cell(gain.p_adjusted, gain.p) if gain else p_cell(None)
    return [*row, estimate_cell(score.baseline), difference_cell(gain), p]


def _only(table: Table, names: list[str]) -> Table:
    """The rows that begin with one of the names."""
    return Table(table.columns, [row for row in table.rows if row[0].text in names])


def _collapse(chosen: Chosen) -> str | None:
    """A sentence on the run's monitor; None for SFT."""
    if chosen.about["algorithm"] == "sft":
        return None
    found = monitor(chosen)
    if "judge" not in found or not found.judge.notna().any():
        return "The monitor could not detect a collapse: the judge scored none of the run's validation samples."
    flagged = found.step[found.get("collapsed", found.step * 0) == 1]
    if flagged.empty:
        return "The monitor flagged no collapse of this run."
    return f"The monitor flagged a collapse of this run at step {flagged.min():.0f}."


def _cost(chosen: Chosen) -> list[str]:
    results, about = chosen.results, chosen.about
    used, peak = data_and_cost.tokens(results, chosen.run), data_and_cost.memory(results, chosen.run)
    parts = [f"This run trained for {seconds(about.get('seconds'))}"]
    parts += [f"took {used.written:,.0f} tokens of prompts and completions"] if used.written else []
    parts += [f"asked the judge for {used.judge:,.0f} tokens"] if used.judge else []
    parts += [f"had a peak memory of {peak:,.0f} MiB"] if peak else []
    return [f"{join_words(parts)}.", f"The complete study: {summary_sentences.total_time(results)}"]


def _limits(chosen: Chosen) -> list[str]:
    """What the numbers do not show, as far as the study's files tell."""
    results = chosen.results
    found = [seeds_sentence(results), *_place(chosen)]
    if not is_selected(chosen):
        found.append("The last step is published and evaluated; no checkpoint was selected.")
    if (collapse := _collapse(chosen)) and "at step" in collapse:
        found.append(collapse)
    own = f"{chosen.name}: "
    found += [line for line in summary_sentences.judge_only_runs(results) if line.startswith(own)]
    return found + summary_sentences.missing_parts(results) + summary_sentences.cut_responses(results)


def _place(chosen: Chosen) -> list[str]:
    """The run's results in the study's comparisons."""
    results, primary = chosen.results, chosen.results.primary
    if chosen.is_baseline:
        return []
    if chosen.run not in primary["runs"]:
        return [
            f"This run is not in the study's primary comparison, which is {results.names[primary['run']]} against "
            f"{results.baseline.name} on {primary['set']}; it is one of {len(results.runs) - 1} runs and "
            f"{len(results.controls.runs)} controls."
        ]
    if not results.is_pooled:
        return []
    named = primary["set"], primary["metric"], primary["k"] or 1
    mean = results.comparison(primary["run"], results.baseline.run, *named)
    over = f": {points(mean.difference)} points ({interval(mean)})" if mean else ""
    return [
        f"This is one of {len(primary['runs'])} seeds. The study's answer is about their mean on "
        f"{primary['set']}{over}."
    ]


def _examples(chosen: Chosen) -> list[dict[str, Any]]:
    """Samples of the run: at most one of each kind, as the report chooses them."""
    files = chosen.results.files
    sources = [(chosen.name, name, files.evaluation(chosen.run, name).samples) for name in chosen.results.sets]
    cards, _ = choose(sources, SEED)
    return [
        next(card for card in cards if card["bucket"] == group)
        for group in QUOTAS
        if group in {c["bucket"] for c in cards}
    ]
