"""Cost and gain of each study's judge: its tokens in the training of the primary run, and that run's accuracy."""

from collections.abc import Mapping
from types import SimpleNamespace

import pandas as pd

from gavel.evaluation.metrics import compare
from gavel.report.baseline import shared_baseline
from gavel.report.cells import (
    MISSING,
    Cell,
    Table,
    count,
    difference_cell,
    estimate_cell,
    interval,
    join_words,
    percent,
    points,
    seconds,
    text,
)
from gavel.report.comparison.tables import primary_correctness
from gavel.report.figure import Figure, seeds_sentence
from gavel.report.plots.judges import accuracy_against_cost
from gavel.report.results import Results
from gavel.report.sections import judge_training
from gavel.report.sections.judge_benchmark import accuracy_of, all_pairs
from gavel.study.rules import RULES

AXIS = "judge tokens in the training of the primary run"
PREPARING = (
    "selection_pairs",
    "labeled_pairs",
    "labeled_responses",
    "selection_responses",
    "contrasting_pairs",
    "judgments",
)  # rules that prepare data for training the judge


def judge_tokens(study: Results) -> float | None:
    """The judge's tokens in the training of the primary run; None if the run used no judge or has no count.

    With several seeds, the mean over their runs.
    """
    tables = [study.training.get(run, pd.DataFrame()) for run in study.primary["runs"]]
    used = [float(table.judge_tokens.sum()) for table in tables if "judge_tokens" in table]
    return sum(used) / len(used) or None if used else None


def cost_figure(studies: Mapping[str, Results], names: list[str]) -> Figure:
    """Accuracy against the judge's tokens: a panel per test set, a colour and marker per study."""
    figure = Figure("accuracy-against-judge-tokens", missing="No primary run with a judge has been evaluated.")
    panels = {name: panel for name in names if (panel := _panel(studies, name)) is not None}
    if not panels:
        return figure
    figure.panels = [(f"{name}, greedy", svg) for name, (svg, _) in panels.items()]
    figure.data = pd.concat([data for _, data in panels.values()])
    unknown = [name for name, study in studies.items() if judge_tokens(study) is None]
    first = shared_baseline(study.baseline for study in studies.values())
    runs = dict.fromkeys(study.names[study.primary["run"]] for study in studies.values())
    runs = [run for run in runs if run in set(figure.data.run)]
    figure.caption = (
        f"Greedy accuracy of each study's primary run ({join_words(runs)}, final checkpoint), with 95 % Wilson "
        "intervals over questions, against the tokens that its judge read and wrote during training, on a logarithmic "
        f"axis. Grey: {first.name} ({first.checkpoint}), which needs no judge. Judges are shifted sideways slightly, "
        "so that equal costs do not overlap. "
        + (f"Not shown, because their judge's tokens are unknown: {join_words(unknown)}. " if unknown else "")
        + seeds_sentence(next(iter(studies.values())))
    )
    return figure


def _panel(studies: Mapping[str, Results], name: str) -> tuple[str, pd.DataFrame] | None:
    """(SVG text, data) of one test set; None if no primary run with a judge was evaluated on it."""
    rows, bases = [], {}
    for label, study in studies.items():
        run = study.primary["run"]
        row = study.metric(run, name, "greedy")
        if row is not None and judge_tokens(study) is not None:
            about = {"label": label, "run": study.names[run], "set": name, "tokens": judge_tokens(study)}
            rows.append(about | {"accuracy": row.value, "low": row.low, "high": row.high})
            if (base := study.metric(study.baseline.run, name, "greedy")) is not None:
                bases.setdefault((study.baseline.label, base.value, base.low, base.high), []).append(label)
    if not rows:
        return None
    several = len(bases) > 1
    levels = [
        (f"{first} of {join_words(names)}" if several else first, *base) for (first, *base), names in bases.items()
    ]
    lines = [
        {"label": level, "run": first, "set": name, "accuracy": value, "low": low, "high": high}
        for (level, value, low, high), (first, *_) in zip(levels, bases, strict=True)
    ]
    table = pd.DataFrame(rows)
    return accuracy_against_cost(table, AXIS, levels), pd.concat([table, pd.DataFrame(lines)])


def cost_sentence(studies: Mapping[str, Results]) -> str | None:
    """A sentence on the judge with the best primary run, and the cheapest whose primary run is not significantly worse.

    None with fewer than two judges.
    """
    known = {}
    for name, study in studies.items():
        row = study.metric(study.primary["run"], study.primary["set"], "greedy")
        if row is not None and judge_tokens(study) is not None:
            known[name] = row.value, judge_tokens(study)
    if len(known) < 2:
        return None
    best = max(known, key=lambda name: (known[name][0], -known[name][1]))
    value, spent = known[best]
    text = f"By judge tokens: {best} is the most accurate, {percent(value)}\u00a0% with {spent:,.0f}"
    cheaper = sorted((name for name in known if known[name][1] < spent), key=lambda name: known[name][1])
    if not cheaper:
        return f"{text}, and no judge is cheaper."
    rows = {name: row for name in cheaper if (row := _difference(studies[name], studies[best])) is not None}
    for name, row in rows.items():
        if row.high >= 0:
            return (
                f"{text}; {name} takes {spent / known[name][1]:.3g} times fewer ({known[name][1]:,.0f}) and is not "
                f"significantly worse: {points(row.difference)} percentage points (paired 95\u00a0% interval "
                f"{interval(row)}, not corrected for the choice among judges)."
            )
    if len(rows) < len(cheaper):
        return f"{text}; not all cheaper judges have results on the same questions."
    return f"{text}; all cheaper judges are worse, with paired 95\u00a0% intervals below zero."


def _difference(study: Results, best: Results):
    """The primary run of a study minus that of `best`, paired; None if their questions differ."""
    own, other = (primary_correctness(side) for side in (study, best))
    if own.keys() != other.keys():
        return None
    ran = [question for question in own if None not in (own[question], other[question])]
    both = ({question: side[question] for question in ran} for side in (own, other))
    return SimpleNamespace(**compare(*both)) if ran else None


def cost_table(studies: Mapping[str, Results]) -> Table:
    """Each study's judge with its accuracy and training cost, and the accuracy and cost of its primary run."""
    first = shared_baseline(study.baseline for study in studies.values())
    table = Table([("study", ""), ("judge", ""), ("trained", "in the study, before RL")], [])
    table.columns += [
        ("accuracy", "of the primary run, greedy, in %; of several seeds, the mean"),
        (f"Δ {first.label}", "in percentage points, paired"),
    ]
    table.columns += [("judge tokens", "read and written in the RL of the primary run"), ("RL time", "of that run")]
    table.columns += [("benchmark accuracy", "correct solution preferred on the judge benchmark, in %")]
    table.columns += [("AUC within questions", f"on {first.policy}'s responses to validation questions")]
    table.columns += [("tokens per pair", "read and written, on the judge benchmark")]
    table.columns += [("training tokens", "that the judge was trained on")]
    table.columns += [("training time", "of its stages; below: of preparing their data")]
    for label, study in studies.items():
        run, name = study.primary["run"], study.primary["set"]
        gain = study.comparison(run, study.baseline.run, name, "greedy")
        times = [study.runs.get(one, {}).get("seconds") for one in study.primary["runs"]]
        took = None if None in times else sum(times) / len(times)
        stages = judge_training.stages(study)
        accuracy, pair_tokens = _benchmark(study, stages)
        tokens, duration = judge_training.training_cost(stages)
        cells = [text(label), text(*_kind(study)), text(_training(study))]
        cells += [estimate_cell(study.metric(run, name, "greedy"))]
        cells += [
            difference_cell(gain, bold=gain is not None and gain.low > 0),
            count(judge_tokens(study)),
            _time(took),
        ]
        cells += [accuracy, _auc(study), pair_tokens, count(tokens), _time(duration, _preparing(study))]
        table.rows.append(cells)
    return table


def _kind(study: Results) -> tuple[str, str]:
    """The kind of judge, and whether it is direct or reasons first."""
    judge = study.study["judge"]
    if judge["panel"]:
        return judge["kind"], f"{len(judge['panel']['judges'])} judges, {judge['panel']['combine']}"
    if not judge["reasoning"]:
        return judge["kind"], "direct"
    votes = judge["reasoning"]["samples"]
    return judge["kind"], "chain of thought" + (f", {votes} votes" if votes > 1 else "")


def _training(study: Results) -> str:
    """How the study trains its judge."""
    judge = study.study["judge"]
    verifier, taught, rl = judge.get("verifier"), judge["self_taught"], judge["rl"]
    parts = [f"from scratch ({judge['scratch']['steps']:,} steps)"] if judge["model"] == "scratch" else []
    parts += [f"verifier (at most {verifier['responses']:,} responses)"] if verifier else []
    parts += [f"self-taught ({taught['iterations']} iterations)"] if taught else []
    parts += [f"RL ({rl['steps']:,} steps)"] if rl else []
    return ", ".join(parts) or "no"


def _benchmark(study: Results, stages: list[judge_training.Stage]) -> tuple[Cell, Cell]:
    """Accuracy and tokens per pair of the judge that gives the reward."""
    rows, name = study.judge_benchmark, stages[-1].judge if stages else "pays"
    for row in all_pairs(rows[rows.judge == name]).itertuples():
        both = [number for number in (row.tokens_read, row.tokens_written) if not pd.isna(number)]
        spent = Cell(f"{sum(both):,.1f}", sort=sum(both)) if both else MISSING
        return estimate_cell(accuracy_of(row)), spent
    return MISSING, MISSING


def _auc(study: Results) -> Cell:
    found = study.calibration or {}
    if found.get("auc_within") is None:
        return MISSING
    spread = "{:.3f}–{:.3f}".format(*found["auc_within_ci95"]) if found.get("auc_within_ci95") else ""
    return Cell(f"{found['auc_within']:.3f}", spread, sort=found["auc_within"])


def _time(value: float | None, sub: str = "") -> Cell:
    return MISSING if value is None else Cell(seconds(value), sub, sort=value)


def _preparing(study: Results) -> str:
    """The additional time for making pairs and judgments, from Snakemake's benchmark files."""
    jobs = study.benchmarks[study.benchmarks.rule.isin([RULES[rule].group for rule in PREPARING])]
    return f"and {seconds(jobs.seconds.sum())}" if len(jobs) else ""
