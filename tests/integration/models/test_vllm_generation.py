"""The calls to vLLM, on a stand-in for its two classes that samples with transformers; tests/system/vllm has vLLM."""

import sys

import pytest

from gavel.common.errors import InputError
from gavel.common.files import read_json, read_jsonl, write_jsonl
from gavel.common.paths import ROOT
from gavel.evaluation.generate import generate
from gavel.jobs.launch import run_in_subprocess
from gavel.models.loading import Student
from gavel.models.task import Task
from gavel.models.vllm_generation import VllmSettings

SETTINGS = VllmSettings(gpu_memory_utilization=0.5, tensor_parallel_size=1, max_model_length=None)
STAND_INS = ROOT / "tests" / "helpers" / "stand_ins"
QUESTIONS = ["How many apples?", "How many books are left?"]


@pytest.fixture
def vllm(monkeypatch):
    monkeypatch.delitem(sys.modules, "vllm", raising=False)
    monkeypatch.syspath_prepend(STAND_INS)
    import vllm

    yield vllm
    sys.modules.pop("vllm")


@pytest.fixture
def engines(monkeypatch, tmp_path):
    """Every engine that the test may start finds the process empty; yields the file that counts them."""
    monkeypatch.setenv("PYTHONPATH", str(STAND_INS))
    monkeypatch.setenv("STARTED", str(tmp_path / "started"))
    return tmp_path / "started"


def arguments(tiny, folder, files, **settings):
    """Of `generate`, for files of questions: what to write is beside them."""
    for name, questions in files.items():
        rows = [{"id": f"q{i}", "question": text} for i, text in enumerate(questions)]
        write_jsonl(folder / f"{name}.jsonl", rows)
    pairs = [(str(folder / f"{name}.jsonl"), str(folder / f"{name}.out.jsonl")) for name in files]
    options = {"model": str(tiny), "student": Student(), "task": Task("solve", "program", 6), "seed": 3}
    return options | {"n": 3, "temperature": 1.0, "limits": {"batch_size": 8}, "files": pairs, **settings}


def rows(tiny, folder, questions, **settings):
    options = arguments(tiny, folder, {"q": questions}, **settings)
    generate(**options)
    return list(read_jsonl(options["files"][0][1]))


def test_a_question_that_occurs_twice_is_sampled_twice(tiny, tmp_path, vllm):
    for settings in (None, SETTINGS):
        found = [
            row["response"] for row in rows(tiny, tmp_path, [QUESTIONS[0]] * 2, vllm=settings) if row["sample"] >= 0
        ]
        assert found[:3] != found[3:]


def test_it_fills_the_same_rows_and_greedy_ones_agree(tiny, tmp_path, vllm):
    ours, theirs = rows(tiny, tmp_path, QUESTIONS), rows(tiny, tmp_path, QUESTIONS, vllm=SETTINGS)
    assert [[row[key] for key in ("id", "sample")] for row in ours] == [
        [r[k] for k in ("id", "sample")] for r in theirs
    ]
    greedy = [[row for row in found if row["sample"] < 0] for found in (ours, theirs)]
    assert greedy[0] == greedy[1]
    assert len({row["response"] for row in theirs}) > 2


def test_a_questions_samples_do_not_depend_on_the_others(tiny, tmp_path, vllm):
    found = []
    for asked, seed in ((QUESTIONS, 3), (QUESTIONS[:1], 3), (QUESTIONS[:1], 4)):
        vllm.LLM.started = False
        found.append(rows(tiny, tmp_path, asked, vllm=SETTINGS, seed=seed))
    both, alone, other = found
    assert [row for row in both if row["id"] == "q0"] == alone
    assert other != alone


def test_one_engine_a_checkpoint_each_in_its_own_process(tiny, tmp_path, engines):
    """As `workflow/scripts/generate.py` calls it: two checkpoints, each with all test sets."""
    for part, n in (("main", 3), ("alternate", 0)):
        folder = tmp_path / part
        folder.mkdir()
        options = arguments(tiny, folder, {"a": QUESTIONS, "b": QUESTIONS[1:]}, n=n, vllm=SETTINGS)
        run_in_subprocess(generate, folder / "task.json", 1, **options)
        counts = [len(list(read_jsonl(output))) for _, output in options["files"]]
        assert counts == [2 * (n + 1), n + 1]
        assert not (folder / "task.json").exists()
    assert engines.read_text() == f"{tiny}\n{tiny}\n"


def test_what_a_process_of_its_own_raises_is_raised_here(tmp_path, capfd):
    with pytest.raises(InputError, match=r"none\.json: cannot be read"):
        run_in_subprocess(read_json, tmp_path / "task.json", 1, path=str(tmp_path / "none.json"))
    with pytest.raises(RuntimeError, match=r"a process of gavel\.common\.files\.read_json failed"):
        run_in_subprocess(read_json, tmp_path / "task.json", 1, path=1)
    assert "TypeError" in capfd.readouterr().err
