"""The figure of the rules that the report shows: how it is drawn, and that it is the workflow's."""

import re
import sys
from xml.etree import ElementTree

import pytest

from gavel.common.paths import ROOT

SVG = "{http://www.w3.org/2000/svg}"
DOT = """digraph snakemake_dag {
    graph[bgcolor=white, margin=0];
	0[label = "report", color = "0.42 0.6 0.85", style="rounded"];
	1[label = "train_rl", color = "0.12 0.6 0.85", style="rounded"];
	2[label = "train_sft", color = "0.48 0.6 0.85", style="rounded"];
	1 -> 0
	2 -> 0
	2 -> 1
}
"""


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "tools"), *sys.path])
    import draw_workflow

    return draw_workflow


def test_the_figure_is_the_workflows(tool):
    pairs = tool.edges(tool.rulegraph())
    assert {("judge_policy", "train_rl"), ("score", "compute_metrics"), ("compute_metrics", "report_html")} <= set(
        pairs
    )
    assert (tool.REPORT / "workflow.svg").read_text() == tool.svg(pairs), "run `make docs`"
    assert (tool.REPORT / "workflow.csv").read_text() == tool.table(pairs), "run `make docs`"
    assert (tool.DOCS / "workflow.svg").read_text() == tool.on_a_page(tool.svg(pairs)), "run `make docs`"


def test_on_a_page_the_drawing_has_a_background_below_the_boxes(tool):
    drawing = tool.svg(tool.edges(DOT))
    first, *boxes = ElementTree.fromstring(tool.on_a_page(drawing)).iter(f"{SVG}rect")
    assert first.get("class") == "ground" and len(boxes) == 3


def test_the_graph_is_without_what_follows_from_other_edges(tool):
    assert tool.edges(DOT) == [("train_rl", "report"), ("train_sft", "train_rl")]


def test_rules_that_take_turns_are_one(tool):
    turns = "0 -> 0\n0 -> 1\n1 -> 0\n2 -> 1\n2 -> 0\n0 -> 3\n2 -> 3"
    nodes = "\n".join(f'{i}[label = "{name}"' for i, name in enumerate(["train_judge", "judgments", "pairs", "report"]))
    pairs = tool.edges(f"{nodes}\n{turns}")
    assert pairs == [("judgments, train_judge", "report"), ("pairs", "judgments, train_judge")]
    assert all(f">{word}<" in tool.svg(pairs) for word in ("judgments", "train_judge", "pairs"))
    assert tool.table(pairs).splitlines()[1] == '"judgments, train_judge","report"'


def test_a_rule_stands_to_the_right_of_what_it_needs(tool):
    pairs = tool.edges(DOT)
    drawn = ElementTree.fromstring(tool.svg(pairs))
    places = {text.text: float(text.get("x")) for text in drawn.iter(f"{SVG}text")}
    assert places["sft"] < places["rl"] < places["report"]
    assert len(list(drawn.iter(f"{SVG}rect"))) == 3
    width, height = map(float, re.findall(r"\d+", drawn.get("viewBox"))[2:])
    for box in drawn.iter(f"{SVG}rect"):
        assert 0 < float(box.get("x")) < width - tool.WIDTH and 0 < float(box.get("y")) < height - tool.HEIGHT
    # What a screen reader says of it.
    assert drawn.find(f"{SVG}desc").text == "train_rl leads to report; train_sft leads to train_rl"
