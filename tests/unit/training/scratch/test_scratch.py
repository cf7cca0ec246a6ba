"""Models from scratch: a tokenizer that loses nothing, corruptions that stay programs, and recipes that run."""

import json
import random

import pytest

from gavel.common.files import write_jsonl
from gavel.data.generator import problems
from gavel.data.pretrain_check import ORIGIN, check_origin
from gavel.judge import kinds, load
from gavel.models import loading
from gavel.solutions.mistakes import corrupt
from gavel.solutions.programs import to_program
from gavel.solutions.sandbox.pool import run_programs
from gavel.training.scratch import judge_tasks
from gavel.training.scratch.judge import JudgeRecipe, make_judge
from gavel.training.scratch.student import LABELS, StudentRecipe, make_student

SHAPE = {"width": 16, "layers": 1, "heads": 2, "steps": 3, "batch_size": 8, "seed": 0}


@pytest.fixture(scope="module")
def pretrain(tmp_path_factory):
    path = tmp_path_factory.mktemp("pretrain") / "pretrain.jsonl"
    write_jsonl(path, (row for _, row in problems.generate("pretrain", 80, 0, "pretrain")))
    return str(path)


@pytest.fixture(scope="module")
def student(pretrain, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("models") / "student")
    make_student(pretrain, folder, StudentRecipe(**SHAPE, corrupted_fraction=0.5, no_question_fraction=0.5))
    return folder


@pytest.mark.parametrize(
    "text",
    [
        "Ben has 1,200 keys.\nHow many?",
        "Ünïcödé — «ß» 数学 \t 3.5%",
        "def solution():\n    a = 16-3\n    result = a*2\n    return result",
        "    result = 1\n    return result",
    ],
)
def test_the_tokenizer_gives_every_text_back(student, text):
    tokenizer = loading.load_tokenizer(student)
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_digits_and_labels_are_single_tokens(student):
    tokenizer = loading.load_tokenizer(student)
    assert len(tokenizer("1234")["input_ids"]) == 4
    assert all(len(tokenizer(label)["input_ids"]) == 1 for label in LABELS)
    assert tokenizer.pad_token_id != tokenizer.eos_token_id


def test_a_corrupted_program_still_runs_and_is_mostly_wrong():
    rows = [row for _, row in problems.generate("pretrain", 200, 4, "x")]
    programs = [to_program(row["solution"], row["gold"], row["question"]) for row in rows]
    rng = random.Random(0)
    answers = run_programs([corrupt(program, rng) for program in programs])
    assert sum(answer is not None for answer in answers) > 190
    wrong = sum(answer != row["gold"] for answer, row in zip(answers, rows, strict=True))
    assert 120 < wrong < 200


def test_a_student_from_scratch_knows_where_it_comes_from(student, pretrain, tmp_path):
    origin = json.loads(open(f"{student}/{ORIGIN}").read())
    assert origin["recipe"]["steps"] == 3
    check_origin(student, "student.model", pretrain)


def test_a_judge_from_scratch_answers(student, pretrain, tmp_path, capsys):
    recipe = JudgeRecipe(**SHAPE, lm_steps=2, samples=2, questions=5, tasks=("single-token",))
    make_judge(pretrain, student, str(tmp_path / "judge"), recipe, LABELS)
    verdict = load.load(model=str(tmp_path / "judge")).verdicts(["1+1?"], ["2"])[0]
    assert 0 < verdict.score < 1
    assert "judging pairs" in capsys.readouterr().err


def test_a_task_of_a_kind_of_judge_without_examples_is_refused(monkeypatch):
    monkeypatch.setitem(kinds.KINDS, "other", kinds.KINDS["single-token"])
    monkeypatch.setitem(kinds.TASKS, "others", ("other", False))
    with pytest.raises(NotImplementedError, match="'others': no examples for judges of kind 'other'; add a branch"):
        judge_tasks.examples("others", [], {}, (" Yes", " No"), 0)
