"""The graph of rules on a report, as Snakemake tells it."""

from gavel.common.paths import ROOT
from gavel.report.sections import workflow


def test_snakemake_tells_the_graph_of_a_study(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = ROOT / "config" / "config.yaml"
    pairs = workflow.edges(workflow.ask(ROOT / "Snakefile", config, "results/report.html"))
    assert {("judge_policy", "train_rl"), ("score", "compute_metrics"), ("compute_metrics", "report_html")} <= set(
        pairs
    )
    assert workflow.ask(tmp_path / "Snakefile", config, "x") is None
