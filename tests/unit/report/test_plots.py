import re
import xml.etree.ElementTree as ElementTree
from importlib.resources import files

import pandas as pd
import pytest

from gavel.report.page import figure_file
from gavel.report.plots import judges, results, training
from gavel.report.plots.style import GREY, label, run_styles

pytestmark = pytest.mark.usefixtures("draw_anew")

NAMES = {"sft": "SFT", "a": "GRPO λ = 0.5", "b": "PPO λ = 1"}


def metrics(metric="greedy", k=1):
    cells = [("sft", "sft", None, None), ("a", "grpo", 0.5, 0), ("b", "ppo", 1.0, 0)]
    rows = [
        {"run": run, "algorithm": algorithm, "lambda": lam, "seed": seed, "metric": metric, "k": k}
        | {"value": 0.5, "low": 0.4, "high": 0.6, "n": 10}
        for run, algorithm, lam, seed in cells
    ]
    return pd.DataFrame(rows)


MONITOR = pd.DataFrame({"step": [0, 5], "accuracy": [0.5, 0.4], "judge": [0.5, 0.9], "greedy": [0.5, 0.6]})
COMPARISONS = pd.DataFrame(
    {
        "label": ["GRPO λ = 0.5", "coin", "PPO λ = 1"],
        "set": "main",
        "title": "main (10 questions)",
        "algorithm": ["grpo", None, "ppo"],
        "lambda": [0.5, None, 1.0],
        "difference": [0.1, -0.5, -0.1],
        "low": [0.05, -0.6, -0.2],
        "high": [0.15, -0.4, 0.02],
        "primary": [True, False, False],
        "control": [False, True, False],
        "bound": False,
    }
)
FIGURES = {
    "lambda": lambda: results.accuracy_against_lambda(metrics()),
    "forest": lambda: results.differences_from_baseline(COMPARISONS),
    "votes": lambda: results.curves_over_k(pd.concat([metrics(), metrics("maj", 1), metrics("maj", 4)]), NAMES),
    "kinds": lambda: results.accuracy_per_kind(metrics("greedy_kind:critical thinking"), NAMES, ["critical thinking"]),
    "training": lambda: training.training_curve({"a": MONITOR}, best_step=5),
    "training of two seeds": lambda: training.training_curve({"a": MONITOR, "b": MONITOR}, "#D55E00", (0.2, 0.8)),
    "training without judge": lambda: training.training_curve({"a": MONITOR[["step", "accuracy"]]}),
    "diagnostic": lambda: training.diagnostic({"a": MONITOR}, [("a", "grpo", 0.5)], "judge"),
    "diagnostic of two seeds": lambda: training.diagnostic(
        {"a": MONITOR, "b": MONITOR}, [("a", "grpo", 0.5), ("b", "grpo", 0.5)], "judge"
    ),
    "sft": lambda: training.sft_curve(MONITOR, 5),
    "reliability": lambda: judges.judge_reliability(
        pd.DataFrame({"judge": [0.2, None], "correct": [0.1, None], "low95": [0.0, None], "high95": [0.3, None]})
    ),
    "judges": lambda: judges.accuracy_against_cost(
        pd.DataFrame({"label": ["a", "b"], "tokens": [80.0, 9000.0], "accuracy": 0.8, "low": 0.7, "high": 0.9})
    ),
    "one cost": lambda: judges.accuracy_against_cost(
        pd.DataFrame({"label": ["a", "b"], "tokens": 83.0, "accuracy": [0.5, 1.0], "low": 0.4, "high": 1.0})
    ),
    "judges' runs": lambda: judges.accuracy_against_cost(
        pd.DataFrame({"label": ["a", "b"], "tokens": [8e4, 9e6], "accuracy": 0.8, "low": 0.7, "high": 0.9}),
        "judge tokens",
        [("SFT of a", 0.7, 0.6, 0.8), ("SFT of b", 0.6, 0.5, 0.7)],
    ),
    "judge's progress": lambda: judges.judge_progress(
        pd.DataFrame({"judge": ["start", "rl"], "accuracy": [0.5, 0.8], "low": [0.4, 0.7], "high": [0.6, 0.9]})
    ),
    "stages": lambda: judges.selection_curve(
        pd.DataFrame(
            {"stage": ["a", "a", "b", "b"], "method": ["SFT", "SFT", "GRPO", "GRPO"], "step": [0, 9, 0, 0]}
            | {"accuracy": 0.8, "low": 0.7, "high": 0.9, "kept": [False, True, True, False]}
        )
    ),
    "histogram": lambda: judges.judge_histogram([0, 0.5, 1], [1, 5], [4, 2]),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_one_deterministic_svg_with_real_text(name):
    svg = FIGURES[name]()
    assert svg == FIGURES[name]()
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg")
    assert any(element.tag.endswith("text") for element in root.iter())
    assert "currentColor" in svg
    assert "metadata" not in svg


def test_primary_and_unseen_are_marked():
    assert "GRPO λ = 0.5 ★" in FIGURES["forest"]()
    assert "PPO λ = 1 ★" not in FIGURES["forest"]()
    assert "critical thinking †" in FIGURES["kinds"]()
    assert "†" not in results.accuracy_per_kind(metrics("greedy_kind:critical thinking"), NAMES)


def test_curves_that_are_missing_are_not_in_the_legend():
    assert "judge reward" in FIGURES["training"]()
    assert "judge reward" not in FIGURES["training without judge"]()


def test_a_study_without_sft_or_with_several_seeds_is_drawn():
    rows = metrics()
    assert "SFT" not in results.accuracy_against_lambda(rows[rows.run != "sft"])
    assert results.accuracy_against_lambda(pd.concat([rows, rows[rows.run == "a"].assign(run="c", seed=1)]))


def test_styles_tell_runs_apart():
    grid = [(f"{a}{lam}", a, lam) for a in ("grpo", "ppo") for lam in (0.0, 0.25, 0.5, 1.0)]
    styles = run_styles([("sft", "sft", None), *grid])
    assert styles["sft"]["color"] == GREY
    assert len({tuple(style.items()) for style in styles.values()}) == len(styles)


def test_labels():
    assert label("sft", "sft", None) == "SFT"
    assert label("x", "grpo", 0.5).replace("\u00a0", " ") == "GRPO λ = 0.5"
    assert label("x", "ppo", 1.0, 3).replace("\u00a0", " ") == "PPO λ = 1, seed 3"


def test_a_figure_as_a_file_brings_the_colours_of_both_themes():
    svg = figure_file(results.accuracy_against_lambda(metrics()))
    (style,) = re.findall(r"<style>(.*?)</style>", svg)
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    page = files("gavel.report").joinpath("page.css").read_text(encoding="utf-8")
    for theme, colours in (("light", light), ("dark", dark)):
        own = page[page.index(f"color-scheme: {theme}") :]
        background, ink = (re.search(rf"--{name}: (#\w+);", own)[1] for name in ("card", "ink"))
        assert f"background: {background}; color: {ink}" in colours
    assert ElementTree.fromstring(svg).tag.endswith("svg") and "currentColor" in svg
