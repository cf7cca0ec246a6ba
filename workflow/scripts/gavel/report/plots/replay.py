"""The plot of a replay: other rewards for the same completions."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from gavel.replay.steps import StepRow
from gavel.report.plots.style import GREY, as_svg, legend, legend_label, run_styles

PANELS = {
    "correlation": "correlation of the advantages",
    "auc_original": "AUC within questions, original reward",
    "auc_replayed": "AUC within questions, replayed",
}


@as_svg
def replay_figure(runs: Mapping[str, Sequence[StepRow]], grid: Mapping[str, tuple[str, float]], title: str) -> Figure:
    """Two rewards of each run's completions, by step: how their advantages correlate, and how well each ranks.

    Args:
        runs: run -> its rows; undefined values leave gaps.
        grid: run -> its algorithm and lambda.
        title: the replayed reward in words.
    """
    figure = Figure(figsize=(12.0, 3.6), layout="constrained")
    axes = figure.subplots(1, len(PANELS))
    styles = run_styles([(run, *grid[run]) for run in runs])
    for panel, (column, text) in zip(axes, PANELS.items(), strict=True):
        for run, rows in runs.items():
            steps = [row["step"] for row in rows]
            values = [float("nan") if row[column] is None else row[column] for row in rows]  # type: ignore[literal-required]
            style = {key: styles[run][key] for key in ("color", "linestyle")}
            panel.plot(steps, values, linewidth=1.1, label=legend_label(run), **style)
        panel.axhline(0 if column == "correlation" else 0.5, color=GREY, linewidth=0.8)
        panel.set_xlabel("step")
        panel.set_ylabel(text)
        panel.set_ylim(-1 if column == "correlation" else 0, 1.02)
    axes[0].set_title(f"replayed: {title}", loc="left")
    if len(runs) <= 12:
        legend(figure, axes[0], 4)
    return figure
