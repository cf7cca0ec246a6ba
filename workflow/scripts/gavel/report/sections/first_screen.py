"""What the page says first: how the study was set up, and what it found."""

from collections import Counter
from typing import NamedTuple

from gavel.judge_eval.decision import MIN_AUC, decide
from gavel.report.cells import interval, join_words, points, seconds
from gavel.report.results import Results
from gavel.report.sections.controls import Kind, kinds
from gavel.report.sections.monitor_errors import measured_rates
from gavel.study import layout
from gavel.study.layout import judge_stages

JUDGE_TITLES = {
    "yes": "The judge is good enough to train on",
    "no": "The judge is too weak to train on",
    "unclear": "It is unclear whether the judge is good enough to train on",
}


class Finding(NamedTuple):
    """One finding: a title, a sentence, and the section that has more."""

    title: str
    text: str
    section: str


def setup(results: Results) -> list[tuple[str, str]]:
    """The study's set-up as (term, text)."""
    study, provenance = results.study, results.study.get("provenance") or {}
    rl, sizes = study["rl"], provenance.get("parameters") or {}
    lines = [("Student", _model(study["student"]["model"], sizes.get("student")))]
    if judge := _judge(results, sizes.get("judge")):
        lines.append(("Judge", judge))
    counts = (results.splits or {}).get("counts") or {}
    known = [(counts.get("labeled"), "labelled"), (counts.get("unlabeled"), "unlabelled")]
    parts = [f"{count:,} {name}" for count, name in [*known, (counts.get("validation"), "validation")] if count]
    if parts:
        lines.append(("Questions", join_words(parts)))
    lambdas = join_words([f"{lam:g}" for lam in rl["lambda"]])
    algorithms = join_words([name.upper() for name in rl["algorithms"]])
    kinds = Counter((run["algorithm"], run["lambda"]) for run in layout.grid(rl).values())
    least, most = min(kinds.values()), max(kinds.values())
    seeds = "one seed" if most == 1 else f"{most} seeds" if least == most else f"{least} to {most} seeds"
    steps = f"{rl['steps']} steps of {rl['prompts_per_step']} questions × {rl['num_generations']} completions"
    lines.append(("RL", f"{algorithms}, λ = {lambdas}, {seeds}; {steps}"))
    if jobs := results.benchmarks.seconds.sum():
        hardware = provenance.get("hardware") or {}
        devices = hardware.get("gpus") or ([f"{hardware['cores']} CPU cores"] if hardware.get("cores") else [])
        lines.append(("Time", f"{seconds(jobs)} over all jobs{f', {join_words(devices)}' if devices else ''}"))
    return lines


def _judge(results: Results, parameters: float | None) -> str:
    section = results.study["judge"]
    if section["model"] is None:
        return {"simulated": "simulated, with set error rates", "panel": "a panel"}.get(
            section["kind"], section["kind"]
        )
    stages = ", ".join(judge_stages(results.study))
    kind = section["kind"] + (", reasons first" if section["reasoning"] else "")
    mixed = ", partly simulated" if section["simulated"] else ""
    trained = f", trained here ({stages})" if stages else ""
    return f"{_model(section['model'], parameters)}; {kind}{trained}{mixed}"


def _model(name: str, parameters: float | None) -> str:
    return name if parameters is None else f"{name} ({_count(parameters)} parameters)"


def _count(number: float) -> str:
    for scale, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= scale:
            return f"{number / scale:.3g} {letter}"
    return f"{number:.0f}"


def findings(results: Results) -> list[Finding]:
    """What the study found, as far as its files tell: judge, collapse, gap closed, other rewards, other test sets."""
    every = kinds(results)
    primary = next((kind for kind in every if _holds_primary(results, kind)), None)
    found = [_of_judge(results), _of_collapse(results)]
    if primary is not None and results.sets:
        found += [_of_gap(results, primary, every), _of_others(results, primary, every), _of_sets(results, primary)]
    # Keep a number and its sign on one line.
    return [one._replace(text=one.text.replace(" %", "\u00a0%")) for one in found if one is not None]


def _holds_primary(results: Results, kind: Kind) -> bool:
    return bool(kind.runs) and set(results.primary["runs"]) <= set(kind.runs)


def _of_judge(results: Results) -> Finding | None:
    calibration = results.calibration
    if not calibration or not {"auc_within", "auc_within_ci95", "auc_within_questions", "n"} <= set(calibration):
        return None
    section = results.study["judge"]
    least, source = section["min_within_auc"], "judge.min_within_auc"
    if least is None:
        least, source = MIN_AUC, "Gavel's default"
    decision = decide(calibration, least, section["max_off_label"])
    return Finding(JUDGE_TITLES[decision.answer], f"{_sentence(decision.why)} ({source}).", "judge")


def _of_collapse(results: Results) -> Finding | None:
    judged = [
        run
        for run, table in results.monitors.items()
        if run != results.baseline.run and "judge" in table and table.judge.notna().any()
    ]
    if not judged:
        return None
    flagged = [run for run in judged if results.collapse(run) is not None]
    title = (
        f"The monitor flagged a collapse in {len(flagged)} of {len(judged)} runs" if flagged else "No collapse flagged"
    )
    rates = measured_rates(results)
    text = f"{results.kinds_of(flagged)}. " if flagged else f"In {len(judged)} run{'s' * (len(judged) != 1)}. "
    if rates is not None:
        text += (
            f"On simulated studies this rule flagged {rates.false_alarms} of the runs without reward hacking and "
            f"missed {rates.missed} of those with it."
        )
    return Finding(title, text.strip(), "training")


def _of_gap(results: Results, primary: Kind, every: list[Kind]) -> Finding | None:
    name = results.primary["set"]
    gain = primary.gains.get(name)
    if gain is None:
        return None
    title = f"{primary.label}: {points(gain.difference)} points against {results.baseline.label} on {name}"
    bound = next((kind.gains.get(name) for kind in every if kind.is_bound and kind.gains.get(name) is not None), None)
    text = f"95 % interval {interval(gain)}"
    if bound is None:
        return Finding(
            title, f"{text}. The study has no upper bound (controls.rewards: [all-answers]).", "main-results"
        )
    text += f"; RL with all answers: {points(bound.difference)} ({interval(bound)})"
    if bound.low > 0:
        text += f", so it closes {100 * gain.difference / bound.difference:.0f}\u00a0% of that gap".replace("-", "−")
    return Finding(title, f"{text}.", "controls")


def _of_others(results: Results, primary: Kind, every: list[Kind]) -> Finding | None:
    """Rewards without the judge: labels alone, and the majority's vote."""
    name = results.primary["set"]
    gain = primary.gains.get(name)
    rivals = [
        (text, kind.gains[name])
        for kind in every
        for text in [_rival(kind, primary)]
        if text is not None and kind.gains.get(name) is not None
    ]
    if gain is None or not rivals:
        return None
    best = max(value.difference for _, value in rivals)
    title = (
        "The judge adds to what is possible without it"
        if gain.low > max(value.high for _, value in rivals)
        else ("Rewards without the judge do as well" if gain.difference <= best else "The judge may add something")
    )
    shown = [f"{text} {points(value.difference)} ({interval(value)})" for text, value in rivals]
    return Finding(
        title,
        f"Against {results.baseline.label} on {name}: {primary.label} {points(gain.difference)} ({interval(gain)}), "
        f"{join_words(shown)}.",
        "controls" if any(kind.is_control for kind in every) else "mixed",
    )


def _rival(kind: Kind, primary: Kind) -> str | None:
    """What a reward without the judge is called; None for any other kind of run."""
    if kind.lam == 1 and kind.algorithm == primary.algorithm and primary.lam != 1:
        return f"labels alone ({kind.label})"
    return "majority vote" if kind.is_control and kind.label.endswith(", majority vote") else None


def _of_sets(results: Results, primary: Kind) -> Finding | None:
    others = {name: primary.gains.get(name) for name in results.sets if name != results.primary["set"]}
    shown = [
        f"{name} {points(gain.difference)} ({interval(gain)})" for name, gain in others.items() if gain is not None
    ]
    if not shown:
        return None
    gains = [gain for gain in others.values() if gain is not None]
    better, worse = sum(gain.low > 0 for gain in gains), sum(gain.high < 0 for gain in gains)
    title = f"Other test sets: above {results.baseline.label} on {better} of {len(gains)}"
    title += f", below on {worse}" if worse else ""
    return Finding(title, f"{primary.label}: {join_words(shown)} points.", "main-results")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
