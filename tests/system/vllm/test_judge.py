"""A judge on vLLM's own OpenAI-compatible server, which the job starts, on a CPU."""

import pytest

from gavel.jobs.serving import serving
from gavel.judge import load
from helpers.vllm_engine import JUDGE, SERVER, needs_vllm

pytestmark = [needs_vllm, pytest.mark.timeout(1500)]


def test_its_scores_are_those_of_the_same_model_in_this_process(rows, tmp_path, monkeypatch, record_run):
    record_run(engine="vllm-server", algorithm="judge", model="shipped")
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    questions = [row["question"] for row in rows[:20] for _ in range(2)]
    solutions = [text for row in rows[:20] for text in (row["program"], "def solution():\n    return 7")]
    with serving("judge server", SERVER, key="judge.server", model=JUDGE, log=tmp_path / "server.log") as server:
        asked = {"base_url": f"{server.url}/v1", "concurrency": 8, "retries": 1, "timeout_s": 120.0, "top_logprobs": 20}
        served = load.load(model=JUDGE, server=asked).verdicts(questions, solutions)
    local = load.load(model=JUDGE).verdicts(questions, solutions)
    assert len(served) == 40
    differences = [abs(ours.score - theirs.score) for ours, theirs in zip(served, local, strict=True)]
    print(f"largest difference of a score: {max(differences):.2g}")
    assert max(differences) < 1e-3
    assert max(verdict.score for verdict in served) - min(verdict.score for verdict in served) > 0.3
