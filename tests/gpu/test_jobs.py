"""Complete training jobs on the device: SFT, then GRPO, interrupted and resumed from a checkpoint."""

import csv

import pytest

from gavel.common.dataclass_config import from_section
from gavel.common.files import read_json, write_jsonl
from gavel.jobs.launch import RunFolders
from gavel.models import loading
from gavel.models.loading import Student
from gavel.models.task import Task
from gavel.study.schema.training import Sft
from gavel.training import sft
from gavel.training.sft import SFTSettings
from helpers import gpu
from helpers.small_run import small_run

SHAPE = "SmolLM2-135M"
MODEL = f"{SHAPE}'s shape" if gpu.ON_GPU else f"{SHAPE}'s architecture, small"


class Cut(Exception):
    pass


class Cutter:
    """Ends the training once step 2 is saved."""

    def mirror(self, journal, up_to_step):
        if up_to_step == 2:
            raise Cut


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Folder of a student with random weights."""
    folder = tmp_path_factory.mktemp("start")
    loading.save(gpu.build(SHAPE), gpu.tokenizer(SHAPE, folder), folder)
    return str(folder)


def steps(path):
    return [int(row["step"]) for row in csv.DictReader(path.open())]


def test_sft_trains_and_saves(start, rows, tmp_path, note, record_run):
    for name, part in (("labeled", rows[:8]), ("validation", rows[8:12])):
        write_jsonl(tmp_path / f"{name}.jsonl", [{"id": str(i)} | row for i, row in enumerate(part)])
    section = Sft(epochs=2, batch_size=4, warmup=0, bf16=True).model_dump(exclude={"seed"})
    summary = sft.train(
        student=Student(start),
        task=Task("solve", "program", 8),
        labeled=str(tmp_path / "labeled.jsonl"),
        validation=str(tmp_path / "validation.jsonl"),
        run=RunFolders(str(tmp_path / "out"), str(tmp_path / "state"), "d"),
        settings=from_section(SFTSettings, section, "sft"),
        seed=0,
    )
    assert summary["status"] == "finished" and steps(tmp_path / "out" / "training.csv") == [1, 2, 3, 4]
    assert loading.load_model(str(tmp_path / "out" / "best")).device.type == ("cuda" if gpu.ON_GPU else "cpu")
    note(f"SFT job, {SHAPE}", "wall clock", summary["seconds"], "s")
    record_run(algorithm="sft", model=MODEL)


def test_an_interrupted_rl_job_goes_on_from_its_checkpoint(start, rows, tmp_path, note, record_run):
    changes = {"settings": {"bf16": True, "steps": 4}, "judge": {"model": gpu.JUDGE, "cache": "run"}}
    changes["validation"] = {"every": 2}
    with pytest.raises(Cut):
        small_run(tmp_path, start, rows, mirror=Cutter(), **changes)
    assert not (tmp_path / "out" / "run.json").exists()
    summary = small_run(tmp_path, start, rows, **changes)
    assert summary["status"] == read_json(tmp_path / "out" / "run.json")["status"] == "finished"
    assert steps(tmp_path / "out" / "training.csv") == [1, 2, 3, 4]
    assert steps(tmp_path / "out" / "monitor.csv") == [0, 2, 4]
    first, last = (loading.load_model(folder).state_dict() for folder in (start, str(tmp_path / "out" / "final")))
    assert any(not value.equal(last[name]) for name, value in first.items())
    note(f"GRPO job, {SHAPE}", "wall clock of both parts", summary["seconds"], "s")
    record_run(algorithm="grpo", resume=True, model=MODEL)
