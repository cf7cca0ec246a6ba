"""The judge on a real OpenAI-compatible server: llama.cpp's, over loopback, with a model made here."""

import json
import shutil
import urllib.request

import pytest
import torch

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed: make test-all compiles it")
pytest.importorskip("gguf", reason="gguf is not installed: make test-all brings it")

import llama

from gavel import judge, rl
from gavel.config import Rl
from gavel.errors import InputError
from gavel.files import read_json, write_jsonl

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


def test_scores_are_those_of_the_same_model_in_this_process(server, weights):
    served = judge.load(model="tiny", server=settings(server))
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
    records = [
        {"id": str(i)} | {k: row.get(k) for k in ("question", "answer", "program")} for i, row in enumerate(rows)
    ]
    files = {}
    for name, part in (("labeled", records[:10]), ("unlabeled", records[10:40]), ("validation", records[40:44])):
        files[name] = str(tmp_path / f"{name}.jsonl")
        write_jsonl(files[name], [r | {"answer": None} for r in part] if name == "unlabeled" else part)
    options = Rl(steps=6, prompts_per_step=2, num_generations=2, warmup=0, save_every=1, max_skipped_steps=0)
    options = options.model_dump(by_alias=True)
    options["monitor"] |= {"questions": 2, "every": 6}
    running = llama.Server(path, tmp_path / "server.log")
    port = running.port

    class Killer:
        """Kills the server once three steps are saved; stands where a study has MLflow."""

        def mirror(self, journal, up_to_step):
            if up_to_step == 3:
                running.kill()

    def go(mirror=None):
        return rl.train(
            **files,
            name="x",
            algorithm="grpo",
            lam=0.5,
            seed=0,
            student={"dtype": "float32"},
            start=tiny,
            judge_settings={"model": "tiny", "cache": "run", "server": settings(running, retries=0)},
            output=str(tmp_path / "out"),
            state=str(tmp_path / "state"),
            digest="d",
            settings=options,
            solution_format="program",
            prompt="solve",
            max_new_tokens=8,
            mirror=mirror,
        )

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
