"""How many labels SFT alone would need for the accuracy that a study's primary run reaches."""

from collections.abc import Mapping, Sequence
from math import exp, log

from gavel.report.load import Results
from gavel.report.words import listing


def labels_for(value: float, curve: Sequence[tuple[int, float]]) -> float | None:
    """Where a curve of (labels, accuracy), labels rising, first reaches a value; None if it never does.

    Straight lines between its points, labels on a logarithmic scale; its first number of labels for a value below it.
    """
    before, low = curve[0]
    if value <= low:
        return float(before)
    for labels, accuracy in curve[1:]:
        if accuracy >= value:
            part = (value - low) / (accuracy - low)
            return exp(log(before) + part * (log(labels) - log(before)))
        before, low = labels, accuracy
    return None


def sentence(studies: Mapping[str, Results]) -> str | None:
    """The primary runs' accuracies in labels; None unless two studies that differ in labels have what it takes."""
    curve, reached = {}, []
    for study in studies.values():
        labels = ((study.splits or {}).get("counts") or {}).get("labeled")
        if not (labels and study.primary):
            continue
        run, name = study.primary["run"], study.primary["set"]
        base, own = study.metric("sft", name, "greedy"), study.metric(run, name, "greedy")
        if base and own:
            curve[labels] = base.value
            reached.append((labels, own.value, f"{study.names[run]} on {name}"))
    if len(curve) < 2 or len({what for *_, what in reached}) > 1:
        return None
    points, reached = sorted(curve.items()), sorted(reached)
    needed = [labels_for(value, points) for _, value, _ in reached]
    told = [f"about {number:,.0f}" if number else f"more than {points[-1][0]:,}" for number in needed]
    return (
        f"In labels: what {reached[0][2]} reaches with {listing([f'{labels:,}' for labels, *_ in reached])}, SFT alone "
        f"would reach with {listing(told)} (straight lines between the SFT baselines, labels on a logarithmic scale)."
    )
