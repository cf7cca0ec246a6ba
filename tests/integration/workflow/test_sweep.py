"""The workflow of a sweep as Snakemake sees it. Nothing is run."""

from gavel.common.paths import ROOT
from helpers.workflow import snakemake


def test_the_workflow_of_a_sweep_is_that_of_each_variant_and_a_comparison(tmp_path):
    done = snakemake("-n", "--quiet", "host", "--configfile", str(ROOT / "config/judge-strength.yaml"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = done.stdout + done.stderr
    assert "rule compare_variants:" in text
    assert text.count("rule weak_train_rl:") == text.count("rule strong_train_rl:") == 9
    assert "results/judge-strength/weak/runs/sft/best" in text.split("rule strong_train_sft:")[1].split("output:")[0]
    assert "rule strong_scratch_judge:" not in text  # its judge is shipped
