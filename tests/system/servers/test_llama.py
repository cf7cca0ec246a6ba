"""The judge on a real OpenAI-compatible server: llama.cpp's, over loopback, with a model made here."""

import json
import shutil
import urllib.request

import pytest
import torch

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed: make test-all compiles it")
pytest.importorskip("gguf", reason="gguf is not installed: make test-all brings it")

from gavel.common.errors import InputError
from gavel.common.files import read_json
from gavel.judge import load
from helpers import llama
from helpers.small_run import small_run

QUESTIONS = ["How many?", "How many are left?", "What is 2+3?"]
SOLUTIONS = ["return 5", "def solution(): return 7", "5"]


@pytest.fixture(scope="module")
def weights():
    return llama.model()


@pytest.fixture(scope="module")
def path(weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    llama.write(weights, path)
    return path


@pytest.fixture
def server(path, tmp_path):
    made = llama.Server(path, tmp_path / "server.log")
    yield made
    made.kill()


def settings(server, **options):
    return {"base_url": server.url, "concurrency": 4, "retries": 1, "timeout_s": 20.0, "top_logprobs": 20} | options


def test_scores_are_those_of_the_same_model_in_this_process(server, weights, record_run):
    record_run(engine="llama.cpp-server", algorithm="judge")
    served = load.load(model="tiny", server=settings(server))
    verdicts = served.verdicts(QUESTIONS, SOLUTIONS)
    for question, solution, verdict in zip(QUESTIONS, SOLUTIONS, verdicts, strict=True):
        (prompt,) = served.render(question, solution)
        body = json.dumps({"input": prompt}).encode()
        request = urllib.request.Request(
            server.url.removesuffix("/v1") + "/extras/tokenize", body, {"Content-Type": "application/json"}
        )
        ids = json.load(urllib.request.urlopen(request, timeout=10))["tokens"]
        with torch.no_grad():
            p = torch.softmax(weights(torch.tensor([ids])).logits[0, -1].double(), -1)
        yes, no = p[llama.WORDS.index("▁Yes")].item(), p[llama.WORDS.index("▁No")].item()
        assert verdict.score == pytest.approx(yes / (yes + no), abs=0.01)
        assert verdict.off_label == pytest.approx(1 - yes - no, abs=0.01)
    assert len({round(verdict.score, 3) for verdict in verdicts}) == 3, "prompts are not told apart"


def test_a_killed_server_ends_training_which_goes_on_when_it_is_back(path, tiny, rows, tmp_path):
    """kill -9 in mid-run: rewards go missing, the job ends after its retries, and then resumes from its checkpoint."""
    running = llama.Server(path, tmp_path / "server.log")
    port = running.port

    class Killer:
        """Kills the server once three steps are saved; stands where a study has MLflow."""

        def mirror(self, journal, up_to_step):
            if up_to_step == 3:
                running.kill()

    def go(mirror=None):
        judge = {"model": "tiny", "cache": "run", "server": settings(running, retries=0)}
        changes = {"settings": {"save_every": 1, "max_skipped_steps": 0}, "validation": {"every": 6}}
        return small_run(tmp_path, tiny, rows, mirror=mirror, judge=judge, **changes)

    try:
        with pytest.raises(InputError, match="could not be asked"):
            go(Killer())
    finally:
        running.kill()  # whatever failed before
    assert not (tmp_path / "out" / "run.json").exists()
    assert (tmp_path / "state" / "checkpoints" / "checkpoint-3").exists()
    back = llama.Server(path, tmp_path / "server.log", port)
    try:
        go()
    finally:
        back.kill()
    assert read_json(tmp_path / "out" / "run.json")["status"] == "finished"
    shutil.rmtree(tmp_path / "state")
