"""Files that were deleted from a finished study are made again, with what depends on them."""

import shutil

import pytest


@pytest.mark.timeout(600)
def test_a_deleted_evaluation_is_remade_with_what_depends_on_it(finished):
    kept = finished.results / "evaluation/sft/main/samples.jsonl"
    before = kept.stat().st_mtime_ns
    shutil.rmtree(finished.results / "evaluation/grpo-lambda0.5-seed0")
    done = finished.run("--quiet", "host")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (finished.results / "evaluation/grpo-lambda0.5-seed0/main/samples.jsonl").exists()
    assert kept.stat().st_mtime_ns == before
    ran = {
        line.split("rule ")[1].rstrip(":")
        for line in (done.stdout + done.stderr).splitlines()
        if "rule " in line and line.endswith(":")
    }
    assert ran - {"all"} == {"generate", "score", "compute_metrics", "report_html"}
