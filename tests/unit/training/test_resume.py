"""A run that was cut off goes on as if it had not been."""

import csv

import pytest
import torch

from gavel.common.files import write_jsonl
from gavel.data.rollouts import read_rollouts
from gavel.data.validation_samples import read_validation_samples
from gavel.jobs.launch import RunFolders
from gavel.models import loading
from gavel.models.loading import Student
from gavel.models.task import Task
from gavel.study.schema.training import Sft
from gavel.training import sft
from gavel.training.records import RunSummary
from gavel.training.sft import SFTSettings
from helpers.small_run import small_run
from helpers.typed_rows import assert_typed

CLOCKS = ("time", "runtime", "per_second")


class Cut(Exception):
    pass


class Cutter:
    """Ends the process's training once a step is saved; stands where a study has MLflow."""

    def __init__(self, step):
        self.step = step

    def mirror(self, journal, up_to_step):
        if up_to_step == self.step:
            raise Cut


def curves(folder, name):
    rows = list(csv.DictReader((folder / "out" / f"{name}.csv").open()))
    return [{key: value for key, value in row.items() if not any(word in key for word in CLOCKS)} for row in rows]


@pytest.mark.parametrize("algorithm", ["grpo", "ppo", "gspo"])
def test_a_resumed_run_is_the_uninterrupted_one(tiny, rows, tmp_path, algorithm, record_run):
    record_run(algorithm=algorithm, resume=True)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    settings = {"settings": {"micro_batch_size": 1}} if algorithm == "gspo" else {}
    small_run(whole, tiny, rows, algorithm=algorithm, **settings)
    for step in (2, 4, 6):  # the last is the run's end: nothing is left to train
        with pytest.raises(Cut):
            small_run(cut, tiny, rows, algorithm=algorithm, mirror=Cutter(step), **settings)
    small_run(cut, tiny, rows, algorithm=algorithm, **settings)
    first, second = (loading.load_model(str(folder / "out" / "final")).state_dict() for folder in (whole, cut))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert curves(whole, "monitor") == curves(cut, "monitor")
    kept = [list(read_rollouts(folder / "out" / "rollouts")) for folder in (whole, cut)]
    assert kept[0] == kept[1]
    assert [rollout[0]["step"] for rollout in kept[0]] == [1, 2, 3, 4, 5, 6]
    samples = [list(read_validation_samples(folder / "out" / "rollouts")) for folder in (whole, cut)]
    assert samples[0] == samples[1]
    assert sorted({row["step"] for row in samples[0]}) == [0, 1, 2, 3, 4, 5, 6]
    dropped = ("judge_cached", "num_tokens", "epoch")  # counted since the job's start
    for a, b in zip(curves(whole, "training"), curves(cut, "training"), strict=True):
        assert {k: v for k, v in a.items() if k not in dropped} == {k: v for k, v in b.items() if k not in dropped}


@pytest.mark.parametrize("control", [None, "coin"], ids=["a simulated judge", "a coin"])
def test_random_rewards_of_a_resumed_run_are_those_of_an_uninterrupted_one(tiny, rows, tmp_path, control):
    simulated = {"tpr": 0.5, "fpr": 0.5, "errors": "each-time", "noise": 0.1, "seed": 0, "bias": None, "weight": 1.0}
    answers = [str(tmp_path / f"{name}.jsonl") for name in ("one", "two")]
    known = [{"id": str(i), "question": row["question"], "gold": row["gold"]} for i, row in enumerate(rows)]
    write_jsonl(answers[0], known[:30])
    write_jsonl(answers[1], known[30:])
    task = {"format": "program", "answer_type": "number"}
    judge = {"kind": "simulated", "simulated": simulated | task, "answers": answers}
    settings = {"judge": judge, "lam": 0.0, "control": control}
    kept = []
    for folder, stops in ((tmp_path / "whole", ()), (tmp_path / "cut", (2, 4))):
        folder.mkdir()
        for step in stops:
            with pytest.raises(Cut):
                small_run(folder, tiny, rows, mirror=Cutter(step), **settings)
        small_run(folder, tiny, rows, **settings)
        kept.append([row["reward"] for rollout in read_rollouts(folder / "out" / "rollouts") for row in rollout])
    assert kept[0] == kept[1]
    assert len(set(kept[0])) > 1


def test_resumed_fine_tuning_is_the_uninterrupted_one(tiny, rows, tmp_path, record_run):
    """Cut off after every epoch's checkpoint, the last one too."""
    record_run(algorithm="sft", resume=True)
    records = [
        {"id": str(i), **{key: row[key] for key in ("question", "gold", "program")}} for i, row in enumerate(rows)
    ]
    write_jsonl(tmp_path / "labeled.jsonl", records[:8])
    write_jsonl(tmp_path / "validation.jsonl", records[40:44])
    section = Sft(epochs=3, validate_every=1, batch_size=2, learning_rate=1e-3).model_dump(exclude={"seed"})

    def fine_tune(folder, mirror=None):
        (tmp_path / folder).mkdir(exist_ok=True)
        return sft.train(
            student=Student(tiny),
            task=Task("solve", "program", 8),
            labeled=str(tmp_path / "labeled.jsonl"),
            validation=str(tmp_path / "validation.jsonl"),
            run=RunFolders(str(tmp_path / folder / "out"), str(tmp_path / folder / "state"), "d"),
            settings=SFTSettings(**section),
            seed=0,
            mirror=mirror,
        )

    assert_typed([fine_tune("whole")], RunSummary)
    for step in (4, 8, 12):
        with pytest.raises(Cut):
            fine_tune("cut", Cutter(step))
    fine_tune("cut")
    for name in ("final", "best"):
        first, second = (loading.load_model(str(tmp_path / f / "out" / name)).state_dict() for f in ("whole", "cut"))
        assert all(torch.equal(first[key], second[key]) for key in first)
    assert curves(tmp_path / "whole", "monitor") == curves(tmp_path / "cut", "monitor")
    first, second = (curves(tmp_path / f, "training") for f in ("whole", "cut"))
    assert [row["step"] for row in second] == [str(step) for step in range(1, 13)]
    assert [row["loss"] for row in first] == [row["loss"] for row in second]


def test_at_lambda_zero_a_poisoned_answer_is_never_read(tiny, rows, tmp_path):
    """Answers that would change every verifiable reward change nothing."""
    found = []
    for name, gold in (("true", None), ("poisoned", "none of your business")):
        (tmp_path / name).mkdir()
        part = rows if gold is None else [row | {"gold": gold} if i < 40 else row for i, row in enumerate(rows)]
        small_run(tmp_path / name, tiny, part, lam=0.0)
        found.append(loading.load_model(str(tmp_path / name / "out" / "final")).state_dict())
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_lambda_is_logged_where_it_moves(tiny, rows, tmp_path):
    small_run(tmp_path, tiny, rows, settings={"lambda_schedule": {"start": 0.9, "steps": 5}})
    logged = [float(row["lambda"]) for row in curves(tmp_path, "training")]
    assert logged == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5, 0.5])
