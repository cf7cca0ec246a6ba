"""The calls to vLLM, on a stand-in for its two classes that samples with transformers: vLLM itself needs a GPU."""

import sys
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace

import pytest
import torch

from gavel import models
from gavel.evaluation import generate
from gavel.files import read_jsonl, write_jsonl

SETTINGS = {"gpu_memory_utilization": 0.5, "tensor_parallel_size": 1, "max_model_length": None}


@dataclass
class SamplingParams:
    n: int
    temperature: float
    max_tokens: int
    seed: int
    stop_token_ids: list[int]


class LLM:
    """As vLLM 0.1x: `generate` takes token ids and one set of parameters a prompt."""

    def __init__(self, model, dtype, gpu_memory_utilization, tensor_parallel_size, max_model_len):
        self.model = models.load_model(model, dtype=dtype)

    def generate(self, prompts, params, use_tqdm):
        found = []
        for prompt, own in zip(prompts, params, strict=True):
            torch.manual_seed(own.seed)
            ids = torch.tensor([prompt["prompt_token_ids"]] * own.n)
            options = {"temperature": own.temperature} if own.temperature else {}
            out = self.model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=own.temperature > 0,
                max_new_tokens=own.max_tokens,
                eos_token_id=own.stop_token_ids,
                pad_token_id=own.stop_token_ids[0],
                **options,
            )[:, ids.shape[1] :].tolist()
            end = own.stop_token_ids[0]
            rows = [row[: row.index(end) + 1] if end in row else row for row in out]
            found.append(SimpleNamespace(outputs=[SimpleNamespace(token_ids=tuple(row)) for row in rows]))
        return found


@pytest.fixture
def vllm(monkeypatch):
    stand_in = ModuleType("vllm")
    stand_in.LLM, stand_in.SamplingParams = LLM, SamplingParams
    monkeypatch.setitem(sys.modules, "vllm", stand_in)
    monkeypatch.setattr("gavel.vllm_sampling.need", lambda package, key: None)


def rows(tiny, tmp_path, questions, **settings):
    write_jsonl(tmp_path / "q.jsonl", [{"id": f"q{i}", "question": text} for i, text in enumerate(questions)])
    options = {"model": tiny, "student": {"dtype": "float32"}, "prompt": "solve", "max_new_tokens": 6, "seed": 3}
    options |= {"n": 3, "temperature": 1.0, "batch_size": 8, **settings}
    generate(questions=tmp_path / "q.jsonl", output=tmp_path / "out.jsonl", **options)
    return list(read_jsonl(tmp_path / "out.jsonl"))


def test_it_fills_the_same_rows_and_greedy_ones_agree(tiny, tmp_path, vllm):
    questions = ["How many apples?", "How many books are left?"]
    ours, theirs = rows(tiny, tmp_path, questions), rows(tiny, tmp_path, questions, vllm=SETTINGS)
    assert [[row[key] for key in ("id", "sample")] for row in ours] == [
        [r[k] for k in ("id", "sample")] for r in theirs
    ]
    greedy = [[row for row in found if row["sample"] < 0] for found in (ours, theirs)]
    assert greedy[0] == greedy[1]
    assert len({row["response"] for row in theirs}) > 2


def test_a_questions_samples_do_not_depend_on_the_others(tiny, tmp_path, vllm):
    both = rows(tiny, tmp_path, ["How many apples?", "How many books are left?"], vllm=SETTINGS)
    alone = rows(tiny, tmp_path, ["How many apples?"], vllm=SETTINGS)
    assert [row for row in both if row["id"] == "q0"] == alone
    other = rows(tiny, tmp_path, ["How many apples?"], vllm=SETTINGS, seed=4)
    assert other != alone
