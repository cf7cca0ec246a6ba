"""Figures of the test results: which panels each has, its computed caption, and the data behind it."""

import base64
import re
from dataclasses import dataclass, field

import pandas as pd
from markupsafe import Markup

from gavel import plots
from gavel.plots.style import BLUE, in_tags, label
from gavel.report import crowd
from gavel.report.load import Results
from gavel.report.words import listing

EMBEDDED = 100_000  # bytes of a figure's data that the page itself holds


@dataclass
class Figure:
    """`panels` are (title, SVG text); without any, `missing` is shown. `data` may be downloaded; where it is large,
    from the file `beside` the page, if there is one."""

    name: str
    caption: str = ""
    data: pd.DataFrame = field(default_factory=pd.DataFrame)
    panels: list[tuple[str, str]] = field(default_factory=list)
    missing: str = ""
    wide: bool = False
    full: bool = False
    beside: str | None = None

    def inline(self) -> list[tuple[str, Markup]]:
        """Panels for the page: unique ids, a label for screen readers, the size left to the style sheet."""
        found = []
        for place, (title, svg) in enumerate(self.panels):
            prefix = f"{self.name}-{place}-"
            # The page has a lighter blue for its dark theme; the other colours stand out on both.
            svg = in_tags(
                svg,
                lambda tag, prefix=prefix: re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}", tag).replace(
                    BLUE.lower(), "var(--blue)"
                ),
            )
            svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
            svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
            name = Markup.escape(
                f"{title}: {self.name.replace('-', ' ')}; the caption and the linked CSV have the data"
            )
            svg = svg.replace("<svg", f'<svg role="img" aria-label="{name}"', 1)
            found.append((title, Markup(svg)))
        return found

    @property
    def link(self) -> str:
        """The data as a link that works without a network, and up to `EMBEDDED` bytes without a second file."""
        text = self.data.to_csv(index=False, float_format="%.6g").encode()
        if self.beside and len(text) > EMBEDDED:
            return self.beside
        return "data:text/csv;base64," + base64.b64encode(text).decode()


def settings(results: Results) -> str:
    """What all RL cells have in common, from the configuration."""
    rl = results.study.get("rl") or {}
    parts = [f"{rl['steps']} steps" if "steps" in rl else ""]
    if {"prompts_per_step", "num_generations"} <= rl.keys():
        parts.append(f"{rl['prompts_per_step']} questions × {rl['num_generations']} completions a step")
    if "learning_rate" in rl:
        parts.append(f"learning rate {rl['learning_rate']:g}")
    return ", ".join(filter(None, parts))


def sizes(results: Results) -> str:
    return listing([f"{name} ({results.size(name):,} questions)" for name in results.sets])


def sampling(results: Results) -> str:
    """maj@16 over 16 samples at temperature 0.7."""
    options = results.study.get("evaluation") or {}
    about = f"maj@k: exact expectation over {options.get('samples', 'the')} samples per question"
    return about + (f" at temperature {options['temperature']:g}" if "temperature" in options else "")


def seeds(results: Results) -> str:
    """'One seed' where there is one: what the intervals do not cover."""
    number = len({about.get("seed") for run, about in results.runs.items() if run != "sft"})
    if number > 1:
        return f"{number} seeds: intervals are over questions, the spread of the seeds shows training's luck."
    return "One seed: the intervals cover the choice of questions, not the luck of training."


def against_lambda(results: Results) -> Figure:
    """Greedy and maj@k accuracy against λ on every test set."""
    rows, k = results.headline, results.top_k
    figure = Figure(
        "accuracy-against-lambda",
        missing="No RL run has been evaluated, so there is nothing to set against λ.",
    )
    if not set(rows.run) - {"sft"}:
        return figure
    measures = [("greedy", 1, "greedy")] + ([("maj", k, f"maj@{k}")] if k else [])
    kept = []
    for metric, number, title in measures:
        for name in results.sets:
            own = rows[(rows.metric == metric) & (rows.k == number) & (rows.set == name)]
            if set(own.run) - {"sft"}:
                figure.panels.append((f"{name}, {title}", plots.accuracy_against_lambda(own)))
                kept.append(own)
    figure.data = pd.concat(kept)
    figure.caption = (
        f"Accuracy against λ on {sizes(results)}. Greedy: one solution per question. "
        + (f"{sampling(results)}; k = {k}. " if k else "")
        + "Bars and the grey band of SFT: 95 % intervals over questions (Wilson for greedy, bootstrap "
        "otherwise). "
        + f"Last step of every run ({settings(results)}), SFT at its best validation step. {seeds(results)}"
        + (
            f" With more than {plots.BARRED} seeds, single runs are points without bars."
            if crowd.kinds(results)
            else ""
        )
    )
    return figure


def forest(results: Results) -> Figure:
    """Differences from SFT, a panel per test set."""
    rows = results.comparisons
    rows = rows[(rows.baseline == "sft") & (rows.metric == "greedy") & (rows.checkpoint == "last")]
    figure = Figure(
        "difference-from-sft",
        data=rows,
        missing="There is no comparison with SFT: SFT or every RL run is missing.",
    )
    order = {run: place for place, run in enumerate(results.runs)}
    groups = crowd.kinds(results)
    for name in results.sets:
        own = rows[rows.set == name].sort_values("run", key=lambda column: column.map(order))
        if groups:
            own = pd.concat([own[own.primary.astype(bool)], _over_seeds(results, name)])
        if len(own):
            figure.panels.append((name, plots.difference_from_sft(own, results.names | {k: k for k in groups})))
    figure.caption = (
        "Greedy accuracy of each run minus SFT's on the same questions, with the paired 95 % bootstrap "
        "interval. "
        "Blue: above zero; orange: below; grey: the interval contains zero. Intervals are not corrected "
        "for their "
        f"number, the p-values below are. ★: the primary comparison, named before any run. {seeds(results)}"
    )
    if groups:
        count = sum(len(runs) for runs in groups.values())
        figure.caption += (
            f" Beside the primary comparison, a row is the mean over the seeds of an algorithm and λ ({count} runs in "
            "all), its interval over seeds and questions; the CSV has every run."
        )
    return figure


def _over_seeds(results: Results, name: str) -> pd.DataFrame:
    """The greedy rows of seeds.csv for one test set, as rows of comparisons.csv."""
    rows = results.seeds[(results.seeds.set == name) & (results.seeds.metric == "greedy")]
    labels = [label("", *row) for row in rows[["algorithm", "lambda"]].itertuples(index=False, name=None)]
    bounds = {"low": rows.difference_low, "high": rows.difference_high}
    return rows.assign(run=labels, primary=False, **bounds)


BARS = "Bars at the largest k: 95 % bootstrap interval over questions."


def votes(results: Results) -> Figure:
    """maj@k curves of every run, a panel per test set."""
    rows = results.headline
    rows = rows[rows.metric.isin(["greedy", "maj"])]
    figure = Figure("maj-at-k", data=rows, missing="Only greedy solutions were generated, so there is no vote to show.")
    if not results.top_k:
        return figure
    groups = crowd.kinds(results)
    if groups:
        rows = crowd.mean_of_seeds(rows, groups)
    for name in results.sets:
        own = rows[rows.set == name]
        if (own.metric == "maj").any():
            figure.panels.append((name, plots.maj_curves(own, results.names | {k: k for k in groups})))
    figure.caption = (
        f"Majority vote of k samples against k, greedy at the left edge, on {sizes(results)}. "
        f"{sampling(results)}; ties "
        "count by expectation, samples without an answer do not vote. "
        + ("Bars at the largest k: lowest and highest seed." if groups else f"{BARS} {seeds(results)}")
        + crowd.averaged(results)
    )
    return figure


def kinds(results: Results) -> Figure:
    """Greedy accuracy per perturbation kind: for each such test set, a panel per algorithm."""
    figure = Figure("accuracy-per-kind", wide=True, missing="No test set has perturbation kinds.")
    rows = results.headline
    rows = rows[rows.metric.str.startswith("greedy_kind:")]
    cells = [about for run, about in results.runs.items() if run != "sft"]
    seed = min((about["seed"] for about in cells if about["seed"] is not None), default=None)
    for name in dict.fromkeys(rows.set):
        for algorithm in dict.fromkeys(about["algorithm"] for about in cells) or ["sft"]:
            runs = {
                run for run, about in results.runs.items() if about["algorithm"] == algorithm and about["seed"] == seed
            }
            own = rows[(rows.set == name) & rows.run.isin(runs | {"sft"})]
            if len(own):
                svg = plots.kinds(own, results.names, results.study.get("unseen_kinds") or ())
                figure.panels.append((f"{name}, {algorithm.upper()}", svg))
    figure.data = rows
    unseen = results.study.get("unseen_kinds")
    figure.caption = (
        "Greedy accuracy per perturbation kind, with Wilson's 95 % interval"
        + (f" (seed {seed})" if len({about["seed"] for about in cells}) > 1 else "")
        + ". "
        + (f"†: pretraining never saw this kind's wording ({listing(list(unseen))}). " if unseen else "")
        + "Intervals are not corrected for the number of kinds: read a single kind with care."
    )
    return figure
