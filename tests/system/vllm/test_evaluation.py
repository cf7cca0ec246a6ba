"""`evaluation.vllm` with the real engine on a CPU: its samples against those of transformers."""

from collections import Counter

import pytest

from gavel.common.files import read_jsonl, write_jsonl
from gavel.evaluation.generate import GREEDY, generate
from gavel.jobs.launch import run_in_subprocess
from gavel.models.loading import Student
from gavel.models.task import Task
from gavel.models.vllm_generation import VllmSettings
from gavel.solutions.verifier import verify
from helpers.vllm_engine import STUDENT, needs_vllm

pytestmark = [needs_vllm, pytest.mark.timeout(1500)]

SETTINGS = VllmSettings(gpu_memory_utilization=0.9, tensor_parallel_size=1, max_model_length=512)
SAMPLES = 8


@pytest.fixture(scope="module")
def responses(rows, tmp_path_factory):
    """The rows that vLLM and transformers write for sixty questions."""
    folder = tmp_path_factory.mktemp("responses")
    write_jsonl(folder / "q.jsonl", [{"id": str(i), "question": row["question"]} for i, row in enumerate(rows)])

    def written(name, vllm):
        output = folder / f"{name}.jsonl"
        arguments = dict(
            model=STUDENT,
            student=Student(),
            task=Task("solve", "program", 96),
            files=[(str(folder / "q.jsonl"), str(output))],
            n=SAMPLES,
            temperature=1.0,
            seed=0,
            limits={"batch_size": 64, "batch_tokens": None},
            vllm=vllm,
        )
        run_in_subprocess(generate, folder / f"{name}.job.json", 2, **arguments)
        return list(read_jsonl(output))

    return written("vllm", SETTINGS), written("transformers", None)


def test_greedy_responses_are_those_of_transformers(responses, record_run):
    """In float32 both round differently, so a tie of two tokens may be broken otherwise."""
    record_run(engine="vllm-colocate", algorithm="evaluation", model="shipped")
    pairs = [(ours, theirs) for ours, theirs in zip(*responses, strict=True) if ours["sample"] == GREEDY]
    assert len(pairs) == 60
    same = sum(ours == theirs for ours, theirs in pairs)  # text, number of tokens, and whether it ended
    print(f"{same} of {len(pairs)} greedy responses are equal")
    assert same >= 0.95 * len(pairs)


def test_sampled_responses_have_the_same_distribution(responses, rows):
    """As far as eight samples of sixty questions show: how many are right, and how long they are."""
    gold = {str(i): row["gold"] for i, row in enumerate(rows)}
    right, length = [], []
    for found in responses:
        sampled = [row for row in found if row["sample"] != GREEDY]
        _, correct = verify([row["response"] for row in sampled], [gold[row["id"]] for row in sampled], "program")
        right.append(sum(map(bool, correct)) / len(sampled))
        length.append(sum(row["tokens"] for row in sampled) / len(sampled))
    print(f"right: {right[0]:.3f} and {right[1]:.3f}, tokens: {length[0]:.2f} and {length[1]:.2f}")
    assert right[0] == pytest.approx(right[1], abs=0.1)
    assert length[0] == pytest.approx(length[1], rel=0.1)


def test_a_question_is_sampled_anew_each_time(responses):
    for found in responses:
        groups = Counter(row["id"] for row in found)
        assert set(groups.values()) == {SAMPLES + 1}
        assert len({row["response"] for row in found if row["id"] == "0"}) > 1
