"""Prompts beyond a model's context: an error that names row and model before anything trains; judges cut and count."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from gavel.common.errors import InputError
from gavel.common.files import write_jsonl
from gavel.common.paths import ROOT
from gavel.evaluation import generate
from gavel.jobs.launch import RunFolders, restore_dataclasses
from gavel.judge import load
from gavel.judge_eval import verdicts
from gavel.models import loading, prompts
from gavel.models.context import check_files
from gavel.models.loading import Student
from gavel.models.task import Task
from gavel.study import resolve
from gavel.study.schema.judge_training import JudgeRl
from gavel.training import sft
from gavel.training.judge import train
from gavel.training.judge.settings import JudgeRLSettings
from gavel.training.rl import train as rl
from gavel.training.rl.rewards import LambdaSchedule, MissingRewards, MixedReward, RewardRules
from gavel.training.sft import SFTSettings
from helpers.small_run import small_job

CONTEXT, NEW = 120, 24
TASK = Task("solve", "program", NEW)


@pytest.fixture
def short(tiny, tmp_path):
    """The tiny model, said to be made for a short context."""
    folder = tmp_path / "short"
    shutil.copytree(tiny, folder)
    found = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(found | {"max_position_embeddings": CONTEXT}))
    return str(folder)


def long(row: dict) -> dict:
    return row | {"id": "long-one", "question": row["question"] + " And 1 more?" * CONTEXT}


@pytest.fixture
def job(short, rows, tmp_path):
    """Arguments of an RL run whose files are `labeled`, `unlabeled` and `validation`."""
    made = small_job(tmp_path, short, rows)
    changed = {"judge": {"model": short, "cache": "off"}, "task": TASK}
    return restore_dataclasses(rl.train, made) | changed


def lengthen(path: str, place: int) -> None:
    rows = [json.loads(line) for line in Path(path).read_text().splitlines()]
    rows[place] = long(rows[place])
    write_jsonl(path, rows)


def sft_arguments(job, **changes) -> dict:
    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    settings = {key: value for key, value in resolve.resolve(raw, ROOT)["sft"].items() if key != "seed"}
    files = {"labeled": job["data"].labeled, "validation": job["data"].validation}
    asked = files | {key: job[key] for key in ("run", "task")} | {"seed": 0, "student": Student(job["start"])}
    return asked | {"settings": SFTSettings(**settings | {"epochs": 1, "batch_size": 2})} | changes


MESSAGE = r"{name}.jsonl:2: row long-one does not fit the model '.*short': its prompt has \d+ tokens, "
MESSAGE += r"solution.max_new_tokens adds 24 \(\d+ in all\), but the context is 120;"


@pytest.mark.parametrize("name", ["labeled", "unlabeled", "validation"])
def test_rl_names_the_row_and_the_model_before_it_trains(job, name, tmp_path):
    lengthen(getattr(job["data"], name), 1)
    with pytest.raises(InputError, match=MESSAGE.format(name=name)):
        rl.train(**job)
    assert not list(Path(job["run"].state).rglob("checkpoint-*"))


@pytest.mark.parametrize("name", ["labeled", "validation"])
def test_sft_names_the_row_and_the_model_before_it_trains(job, name):
    lengthen(getattr(job["data"], name), 1)
    with pytest.raises(InputError, match=MESSAGE.format(name=name)):
        sft.train(**sft_arguments(job))
    assert not Path(job["run"].state).exists()


def test_a_solution_that_does_not_fit_is_named(job):
    rows = [json.loads(line) for line in Path(job["data"].labeled).read_text().splitlines()]
    rows[2] |= {"id": "wordy", "program": rows[2]["program"] + "\n    # and so on" * CONTEXT}
    write_jsonl(job["data"].labeled, rows)
    with pytest.raises(InputError, match=r"labeled.jsonl:3: row wordy .* tokens, its solution adds"):
        sft.train(**sft_arguments(job))


def test_a_budget_that_leaves_no_row_room_is_named_once(job):
    with pytest.raises(
        InputError, match=r"labeled.jsonl:1: row .* solution.max_new_tokens adds 119 .*more rows do not fit\)"
    ):
        sft.train(**sft_arguments(job, task=replace(TASK, max_new_tokens=CONTEXT - 1)))


def test_sampling_names_the_row_before_it_samples(short, rows, tmp_path):
    files = []
    for name, own in {"first": rows[:3], "second": [rows[0], long(rows[1])]}.items():
        write_jsonl(tmp_path / f"{name}.jsonl", own)
        files.append((str(tmp_path / f"{name}.jsonl"), str(tmp_path / f"{name}-out.jsonl")))
    options = {"model": short, "student": Student(), "task": TASK, "files": files}
    with pytest.raises(InputError, match=MESSAGE.format(name="second")):
        generate.generate(**options, n=1, temperature=1.0, seed=0)
    assert not list(tmp_path.glob("*-out.jsonl"))


def test_the_calibration_names_the_row(short, rows, tmp_path):
    write_jsonl(tmp_path / "validation.jsonl", [rows[0], long(rows[1])])
    with pytest.raises(InputError, match=MESSAGE.format(name="validation")):
        verdicts.judge_policy(
            model=short,
            student=Student(),
            task=TASK,
            judge_settings={"model": short},
            problems=[str(tmp_path / "validation.jsonl")],
            samples=1,
            temperature=1.0,
            output=str(tmp_path / "out.jsonl"),
        )


def test_the_data_job_checks_every_file_where_the_student_is_here(short, rows, tmp_path):
    found = resolve.resolve(yaml.safe_load((ROOT / "config/config.yaml").read_text()), ROOT)
    found["solution"]["max_new_tokens"] = NEW
    write_jsonl(tmp_path / "labeled.jsonl", rows[:3])
    write_jsonl(tmp_path / "test" / "main.jsonl", [rows[0], long(rows[1])])
    check_files(found, [tmp_path / "labeled.jsonl"], short)
    with pytest.raises(InputError, match=MESSAGE.format(name="main")):
        check_files(found, [tmp_path / "labeled.jsonl", tmp_path / "test" / "main.jsonl"], short)
    check_files(found, [tmp_path / "test" / "main.jsonl"], str(tmp_path / "yet-to-be-made"))
    found["evaluation"]["vllm"] = {"max_model_length": 40}
    with pytest.raises(InputError, match=r"main.jsonl:1: .* but vLLM's max_model_length is 40"):
        check_files(found, [tmp_path / "test" / "main.jsonl"], short)


def test_what_just_fits_is_taken(short, rows, tmp_path):
    found = resolve.resolve(yaml.safe_load((ROOT / "config/config.yaml").read_text()), ROOT)
    write_jsonl(tmp_path / "labeled.jsonl", rows[:1])
    tokenizer = loading.load_tokenizer(short)
    read = len(tokenizer(prompts.fill(prompts.load("solve"), question=rows[0]["question"]))["input_ids"])
    found["solution"]["max_new_tokens"] = CONTEXT - read
    check_files(found, [tmp_path / "labeled.jsonl"], short)
    found["solution"]["max_new_tokens"] += 1
    with pytest.raises(InputError, match=r"\(121 in all\), but the context is 120"):
        check_files(found, [tmp_path / "labeled.jsonl"], short)


@pytest.mark.parametrize(
    ("settings", "length"),
    [
        ({"n_positions": 64}, 64),
        ({"max_seq_len": 32}, 32),
        ({}, None),
        ({"max_position_embeddings": None}, None),
        ({"max_position_embeddings": 32, "rope_parameters": {"rope_type": "yarn", "factor": 4.0}}, 128),
        (
            {
                "max_position_embeddings": 128,
                "rope_scaling": {"type": "yarn", "factor": 4, "original_max_position_embeddings": 32},
            },
            128,
        ),
        ({"max_position_embeddings": 128, "rope_parameters": {"rope_type": "llama3", "factor": 8.0}}, 128),
        ({"max_position_embeddings": 128, "rope_parameters": {"rope_type": "default"}}, 128),
    ],
)
def test_configurations_name_their_context_in_several_ways(settings, length):
    class Configuration:
        def get_text_config(self):
            return self

    found = Configuration()
    vars(found).update(settings)
    assert loading.context_length(found) == length


def test_a_judge_cuts_to_its_context_and_counts(short, rows, capsys):
    asked = load.load(model=short)
    assert "judge.max_tokens 2048 is above the context of" in capsys.readouterr().err
    questions = [rows[0]["question"], long(rows[1])["question"]]
    found = asked.verdicts(questions, [row["program"] for row in rows[:2]])
    assert [verdict.truncated for verdict in found] == [False, True]
    assert all(0 < verdict.score < 1 for verdict in found)
    assert asked.usage.read <= 2 * CONTEXT


def test_cut_judging_prompts_are_counted_in_training(short, rows):
    logged = {}
    schedule = LambdaSchedule(0.5)
    reward = MixedReward(schedule, load.load(model=short), RewardRules("program"), MissingRewards(0.25))
    questions = [rows[0]["question"], long(rows[1])["question"]]
    reward(["x", "y"], question=questions, gold=[None, None], log_metric=logged.__setitem__)
    assert logged["judge_truncated"] == 0.5
    logged.clear()
    reward(["x", "y"], question=questions[:1] * 2, gold=[None, None], log_metric=logged.__setitem__)
    assert "judge_truncated" not in logged


def test_a_reasoning_has_room_and_a_prompt_cut_for_it_counts(short, rows):
    with pytest.raises(InputError, match=r"judge.reasoning.max_new_tokens: 120 leaves no room .* 120 tokens"):
        load.load(model=short, prompt="reasoning", reasoning={"max_new_tokens": CONTEXT})
    asked = load.load(model=short, prompt="reasoning", reasoning={"max_new_tokens": 60, "temperature": 0.0})
    assert asked.reasoner is not None
    found = asked.verdicts(["1+1?"] * 2, ["2", "2 " * 80])
    assert [verdict.truncated for verdict in found] == [False, True]


def test_training_a_judge_names_the_pair_that_does_not_fit(short, rows, tmp_path):
    pairs = [
        {"id": f"pair-{i}", "prompt": row["question"], "chosen": row["program"], "rejected": "x"}
        for i, row in enumerate(rows[:2])
    ]
    pairs[1]["prompt"] = long(rows[1])["question"]
    write_jsonl(tmp_path / "pairs.jsonl", pairs)
    write_jsonl(tmp_path / "selection.jsonl", pairs[:1])
    with pytest.raises(
        InputError, match=r"pairs.jsonl: row pair-1 does not fit the judge '.*short': .* context is 120"
    ):
        train.train(
            method="grpo",
            start=short,
            judge_settings={"kind": "pairwise", "model": short, "labels": (" Yes", " No"), "dtype": "float32"},
            data=str(tmp_path / "pairs.jsonl"),
            selection=str(tmp_path / "selection.jsonl"),
            run=RunFolders(str(tmp_path / "out"), str(tmp_path / "state"), "d"),
            settings=JudgeRLSettings(**JudgeRl(steps=1).model_dump()),
            name="rl",
        )
