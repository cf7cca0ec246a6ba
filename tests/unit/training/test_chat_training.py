"""SFT and RL with a chat template: the completion follows the assistant's header and ends with the turn's end token."""

import dataclasses

import pytest
from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from gavel.common.files import read_json, write_jsonl
from gavel.jobs.launch import restore_dataclasses
from gavel.judge_eval.verdicts import judge_policy
from gavel.models import loading
from gavel.models.loading import Student
from gavel.models.task import Task
from gavel.study.schema.training import Sft
from gavel.training import sft
from gavel.training.rl import train as rl
from gavel.training.rl.grpo import PackedGRPOTrainer
from gavel.training.sft import SFTSettings, examples
from helpers.chat_student import BOS, END, START, chat_student
from helpers.small_run import small_job

CHAT = Task("solve", "program", 8, chat=True, system="Write Python.")


@pytest.fixture(scope="module")
def folder(tiny, tmp_path_factory):
    return chat_student(tiny, tmp_path_factory.mktemp("chat") / "student")


def test_examples_are_what_trl_makes_of_the_texts(tiny, rows):
    """So that the default study's weights are those of a data set of texts."""
    task, tokenizer = Task("solve", "program", 8), loading.load_tokenizer(tiny)
    texts = [row["program"] for row in rows]
    asked = task.prompts([row["question"] for row in rows], tokenizer)
    data = Dataset.from_list([{"prompt": p, "completion": c} for p, c in zip(asked, texts, strict=True)])
    options = {"report_to": "none", "use_cpu": True, "bf16": False, "max_length": None}
    config = SFTConfig(output_dir="unused", completion_only_loss=True, **options)
    trainer = SFTTrainer(loading.load_model(tiny), config, train_dataset=data, processing_class=tokenizer)
    made = Dataset.from_list([example.row for example in examples([*zip(rows, texts, strict=True)], task, tokenizer)])
    ours = SFTTrainer(loading.load_model(tiny), config, train_dataset=made, processing_class=tokenizer)
    for column in ("input_ids", "labels"):
        assert ours.train_dataset[column] == trainer.train_dataset[column]


def test_an_example_is_the_prompt_that_is_sampled_from_with_the_solution_and_the_turns_end(folder, rows):
    tokenizer = CHAT.load_tokenizer(Student(), folder)
    texts = [row["program"] for row in rows[:5]]
    asked = CHAT.prompts([row["question"] for row in rows[:5]], tokenizer)
    made = examples([*zip(rows[:5], texts, strict=True)], CHAT, tokenizer)
    for example, prompt, text in zip(made, asked, texts, strict=True):
        read, written = example.parts
        assert [read] == CHAT.encode([prompt], tokenizer)
        assert tokenizer.decode(read).endswith(f"{START}assistant\n")
        assert tokenizer.decode(written) == text + END
        assert example.ids.count(tokenizer.bos_token_id) == 1
        assert example.row["completion_mask"] == [0] * len(read) + [1] * len(written)


def train_sft(folder, rows, tmp_path):
    job = small_job(tmp_path, folder, rows)
    settings = {key: value for key, value in Sft(epochs=1, batch_size=2).model_dump().items() if key != "seed"}
    run = restore_dataclasses(sft.train, {"run": job["run"] | {"output": str(tmp_path / "sft")}})["run"]
    return sft.train(
        student=Student(folder),
        task=CHAT,
        labeled=job["data"]["labeled"],
        validation=job["data"]["validation"],
        run=run,
        settings=SFTSettings(**settings),
        seed=0,
    )


def test_sft_trains_and_its_checkpoint_is_a_chat_model_that_stops_there(folder, rows, tmp_path, capsys):
    summary = train_sft(folder, rows, tmp_path)
    assert summary["example"]["prompt"].startswith(f"{BOS}{START}system\nWrite Python.{END}\n{START}user\n")
    assert summary["example"]["completion"] == rows[0]["program"] + END
    assert read_json(tmp_path / "sft" / "run.json")["example"] == summary["example"]
    assert "first SFT example" in capsys.readouterr().err
    saved = loading.load_tokenizer(str(tmp_path / "sft" / "best"))
    assert saved.eos_token == END and saved.chat_template


@pytest.mark.parametrize("algorithm", ["grpo", "ppo"])
def test_rl_trains_and_shows_its_first_prompt(folder, rows, tmp_path, algorithm, monkeypatch):
    seen = []
    packed = PackedGRPOTrainer.packed
    monkeypatch.setattr(
        PackedGRPOTrainer,
        "packed",
        lambda self, tokens, mask, n: (seen.append((tokens, mask, n)), packed(self, tokens, mask, n))[1],
    )
    made = small_job(tmp_path, folder, rows, algorithm=algorithm, settings={"steps": 1, "kl_coefficient": 0.01})
    made |= {"task": dataclasses.asdict(CHAT), "judge": {"model": folder, "cache": "off", "chat": True}}
    summary = rl.train(**restore_dataclasses(rl.train, made))
    assert summary["example"]["prompt"].startswith(f"{BOS}{START}system\nWrite Python.{END}\n{START}user\n")
    assert summary["example"]["prompt"].endswith(f"{START}assistant\n")
    tokenizer = loading.load_tokenizer(folder)
    tokens, mask, width = seen[0]
    for row, inside in zip(tokens[:, :-width], mask[:, :-width].bool(), strict=True):
        prompt = row[inside].tolist()
        assert prompt.count(tokenizer.bos_token_id) == 1
        assert tokenizer.decode(prompt).endswith(f"{START}assistant\n")


def test_prompts_that_trl_tokenises_itself_get_no_second_bos_token(folder, rows, tmp_path, monkeypatch):
    """As it does for vLLM; here for transformers' `generate`, which needs no GPU."""
    read = []
    tokenize = PackedGRPOTrainer._tokenize_prompts
    monkeypatch.setattr(
        PackedGRPOTrainer,
        "_tokenize_prompts",
        lambda self, prompts: (read.append(tokenize(self, prompts)), read[-1])[1],
    )
    monkeypatch.setattr(rl, "Rollout", lambda *args: None)
    made = small_job(tmp_path, folder, rows, settings={"steps": 1}) | {"task": dataclasses.asdict(CHAT)}
    rl.train(**restore_dataclasses(rl.train, made))
    ids, _, _ = read[0]
    tokenizer = loading.load_tokenizer(folder)
    assert ids[0].count(tokenizer.bos_token_id) == 1
    assert tokenizer.decode(ids[0]).endswith(f"{START}assistant\n")


def test_the_calibration_samples_and_shows_what_the_judge_reads(folder, rows, tmp_path, capsys):
    keys = ("id", "question", "gold", "solution")
    write_jsonl(tmp_path / "v.jsonl", [{key: row[key] for key in keys} for row in rows[:2]])
    files = {f"{name}_output": str(tmp_path / f"{name}.json") for name in ("usage", "prompt")}
    settings = {"model": folder, "chat": True, "prompt": "judge-instruct"}
    judge_policy(
        model=folder, student=Student(), task=CHAT, judge_settings=settings, problems=[str(tmp_path / "v.jsonl")],
        samples=2, temperature=1.0, output=str(tmp_path / "out.jsonl"), **files,
    )  # fmt: skip
    shown = read_json(tmp_path / "prompt.json")["prompt"]
    assert shown.startswith(f"{BOS}{START}user\n") and shown.endswith(f"{START}assistant\n")
    assert rows[0]["question"] in shown
    assert f"first judging prompt:\n{BOS}{START}user" in capsys.readouterr().err
