"""Which judge, at which cost: what the studies' judges took to train the primary run, and how far that came."""

from collections.abc import Mapping
from types import SimpleNamespace

import pandas as pd

from gavel.evaluation.metrics import compare
from gavel.report.cells import (
    MISSING,
    Cell,
    Table,
    count,
    difference_cell,
    interval,
    listing,
    percent,
    points,
    seconds,
    share_cell,
    text,
)
from gavel.report.comparison.tables import verdicts
from gavel.report.figure import Figure, seeds_sentence
from gavel.report.plots.judges import accuracy_against_cost
from gavel.report.results import Results
from gavel.report.sections import judge_training
from gavel.report.sections.judge_benchmark import accuracy_of, all_pairs
from gavel.study.rules import RULES

AXIS = "judge tokens in the training of the primary run"
PREPARING = (
    "selection_pairs",
    "labelled_pairs",
    "contrasting_pairs",
    "judgments",
)  # rules that make what it learns from


def judge_tokens(study: Results) -> float | None:
    """Tokens that the judge took in the training of the primary run; None where that asked none or kept no count."""
    training = study.training.get(study.primary["run"], pd.DataFrame())
    return (float(training.judge_tokens.sum()) or None) if "judge_tokens" in training else None


def cost_figure(studies: Mapping[str, Results], names: list[str]) -> Figure:
    """A panel per test set, a colour and marker per study."""
    made = Figure("accuracy-against-judge-tokens", missing="No primary run has asked a judge and been evaluated.")
    found = {name: panel for name in names if (panel := _panel(studies, name)) is not None}
    if not found:
        return made
    made.panels = [(f"{name}, greedy", svg) for name, (svg, _) in found.items()]
    made.data = pd.concat([data for _, data in found.values()])
    unknown = [name for name, study in studies.items() if judge_tokens(study) is None]
    runs = dict.fromkeys(made.data.run[made.data.run != "SFT"])
    made.caption = (
        f"Greedy accuracy of each study's primary run ({listing(list(runs))}) at its last step, with Wilson's 95 % "
        "intervals over questions, against the tokens that its judge read and wrote to pay for it, on a logarithmic "
        "axis. Grey: SFT at its best by validation, which asks no judge. Judges are moved sideways a little, so that "
        "those that cost the same can be told apart. "
        + (f"Not drawn, because their judge's tokens are not known: {listing(unknown)}. " if unknown else "")
        + seeds_sentence(next(iter(studies.values())))
    )
    return made


def _panel(studies: Mapping[str, Results], name: str) -> tuple[str, pd.DataFrame] | None:
    """A test set's panel and its data: greedy accuracy of each study's primary run against its judge's tokens, and of
    SFT as lines across; None where no such run is known."""
    rows, bases = [], {}
    for label, study in studies.items():
        row = study.metric(study.primary["run"], name, "greedy")
        if row is not None and judge_tokens(study) is not None:
            about = {"label": label, "run": study.names[row.run], "set": name, "tokens": judge_tokens(study)}
            rows.append(about | {"accuracy": row.value, "low": row.low, "high": row.high})
            if (base := study.metric("sft", name, "greedy")) is not None:
                bases.setdefault((base.value, base.low, base.high), []).append(label)
    if not rows:
        return None
    several = len(bases) > 1
    levels = [(f"SFT of {listing(names)}" if several else "SFT", *base) for base, names in bases.items()]
    lines = [
        {"label": level, "run": "SFT", "set": name, "accuracy": value, "low": low, "high": high}
        for level, value, low, high in levels
    ]
    table = pd.DataFrame(rows)
    return accuracy_against_cost(table, AXIS, levels), pd.concat([table, pd.DataFrame(lines)])


def cost_sentence(studies: Mapping[str, Results]) -> str | None:
    """The judge whose run comes farthest, and the cheapest that is not told from it; None without two to compare."""
    known = {}
    for name, study in studies.items():
        row = study.metric(study.primary["run"], study.primary["set"], "greedy")
        if row is not None and judge_tokens(study) is not None:
            known[name] = row.value, judge_tokens(study)
    if len(known) < 2:
        return None
    best = max(known, key=lambda name: (known[name][0], -known[name][1]))
    value, most = known[best]
    told = f"In judge tokens: {best} comes farthest, {percent(value)}\u00a0% with {most:,.0f}"
    cheaper = sorted((name for name in known if known[name][1] < most), key=lambda name: known[name][1])
    if not cheaper:
        return f"{told}, and no judge costs less."
    rows = {name: row for name in cheaper if (row := _difference(studies[name], studies[best])) is not None}
    for name, row in rows.items():
        if row.high >= 0:
            return (
                f"{told}; {name} takes {most / known[name][1]:.3g} times fewer ({known[name][1]:,.0f}) and is not told "
                f"from it: {points(row.difference)} points (paired 95\u00a0% interval {interval(row)}, on these "
                "questions, not corrected for the choice among judges)."
            )
    if len(rows) < len(cheaper):
        return f"{told}; not all that cost less were asked the same questions."
    return f"{told}; all that cost less are below it, with paired 95\u00a0% intervals below zero."


def _difference(study: Results, best: Results):
    """The primary run of a study minus that of another on the same questions; None where these are others."""
    own, other = (verdicts(one, one.primary["run"], one.primary["set"]) for one in (study, best))
    return SimpleNamespace(**compare(own, other)) if own and own.keys() == other.keys() else None


def cost_table(studies: Mapping[str, Results]) -> Table:
    """Rows: studies. Columns: their judge, how far the primary run comes with it and what it took, how good the judge
    is, and what its training took."""
    made = Table([("study", ""), ("judge", ""), ("trained", "before it pays, in the study")], [])
    made.columns += [("accuracy", "of the primary run, greedy, in %"), ("Δ SFT", "in points, paired")]
    made.columns += [("judge tokens", "read and written to pay for the primary run"), ("RL time", "of that run")]
    made.columns += [("benchmark", "right solution preferred on the judge benchmark, in %")]
    made.columns += [("AUC within", "questions, on the SFT policy's solutions of validation problems")]
    made.columns += [("tokens a pair", "read and written, on the judge benchmark")]
    made.columns += [("training tokens", "that the judge was trained on")]
    made.columns += [("training time", "of its stages; below: of making what they learn from")]
    for label, study in studies.items():
        run, name = study.primary["run"], study.primary["set"]
        gain = study.comparison(run, "sft", name, "greedy")
        took = (study.runs.get(run) or {}).get("seconds")
        taught = judge_training.stages(study)
        right, each = _benchmark(study, taught)
        learnt, lasted = judge_training.training_cost(taught)
        cells = [text(label), text(*_kind(study)), text(_training(study))]
        cells += [share_cell(study.metric(run, name, "greedy"))]
        cells += [
            difference_cell(gain, bold=gain is not None and gain.low > 0),
            count(judge_tokens(study)),
            _time(took),
        ]
        cells += [right, _auc(study), each, count(learnt), _time(lasted, _preparing(study))]
        made.rows.append(cells)
    return made


def _kind(study: Results) -> tuple[str, str]:
    """What the judge is asked, and whether it writes first."""
    judge = study.study["judge"]
    if not judge["reasoning"]:
        return judge["kind"], "answers at once"
    votes = judge["reasoning"]["samples"]
    return judge["kind"], "writes first" + (f", {votes} votes" if votes > 1 else "")


def _training(study: Results) -> str:
    judge = study.study["judge"]
    taught, rl = judge["self_taught"], judge["rl"]
    parts = [f"made here ({judge['scratch']['steps']:,} steps)"] if judge["model"] == "scratch" else []
    parts += [f"self-taught ({taught['iterations']} iterations)"] if taught else []
    parts += [f"RL ({rl['steps']:,} steps)"] if rl else []
    return ", ".join(parts) or "as it comes"


def _benchmark(study: Results, taught: list[judge_training.Stage]) -> tuple[Cell, Cell]:
    """Accuracy and tokens a pair of the judge that pays."""
    rows, name = study.judge_benchmark, taught[-1].judge if taught else "pays"
    for row in all_pairs(rows[rows.judge == name]).itertuples():
        both = [one for one in (row.tokens_read, row.tokens_written) if not pd.isna(one)]
        spent = Cell(f"{sum(both):,.1f}", sort=sum(both)) if both else MISSING
        return share_cell(accuracy_of(row)), spent
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
    """What making pairs and judgments took besides, by Snakemake's clock."""
    jobs = study.benchmarks[study.benchmarks.rule.isin([RULES[rule].group for rule in PREPARING])]
    return f"and {seconds(jobs.seconds.sum())}" if len(jobs) else ""
