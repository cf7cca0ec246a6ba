"""A policy and its task: the config's sections `student` and `solution` at work."""

from dataclasses import asdict

import pytest

from gavel.common.errors import InputError
from gavel.jobs.launch import restore_dataclasses
from gavel.models import loading
from gavel.models.loading import Student
from gavel.models.policy import Policy
from gavel.models.sampling import sample
from gavel.models.task import Task

QUESTIONS = ["Ben has 4 keys. How many?", "How many {question} are left?"]


@pytest.fixture
def prompt(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("Q: {question}\nA:")
    return path


def test_a_task_is_what_changes_a_solution_and_reads_its_prompt_once(prompt, tokenizer):
    solution = {"prompt": str(prompt), "format": "text", "max_new_tokens": 5, "batch_seconds": 60.0}
    solution |= {"chat": False, "system": None, "chat_template_kwargs": {}, "reasoning": False}
    task = Task.from_config(solution | {"answer_type": "choice"})
    assert task == Task(str(prompt), "text", 5, "choice")
    wanted = [f"Q: {question}\nA:" for question in QUESTIONS]
    assert task.prompts(QUESTIONS, tokenizer) == wanted
    prompt.write_text("Another one: {question}")
    assert task.prompts(QUESTIONS, tokenizer) == wanted
    prompt.write_text("No slot")
    with pytest.raises(InputError, match="no slot"):
        Task.from_config(asdict(task)).prompts(QUESTIONS, tokenizer)


def test_a_policy_solves_questions_as_the_sampler_does_its_prompts(tiny, model, tokenizer, prompt):
    task = Task(str(prompt), "text", 5)
    policy = Policy.load(tiny, Student(), task, {"batch_size": 3, "batch_tokens": None})
    for drawing in ({}, {"n": 3, "temperature": 1.0, "seed": 2}):
        wanted = sample(model, tokenizer, task.prompts(QUESTIONS, tokenizer), max_new_tokens=5, **drawing)
        assert policy.solve(QUESTIONS, task, **drawing) == wanted
    assert policy.solve(QUESTIONS[:1], task, n=3, temperature=1.0, seed=2) == wanted[:1]


def test_a_checkpoint_is_loaded_as_the_student_says(tiny, monkeypatch):
    asked = []
    monkeypatch.setattr(loading, "load_model", lambda folder, **settings: asked.append((folder, settings)))
    student = Student(model="hub/name", dtype="bfloat16", eos_token="<pad>", pad_token="</s>", revision="main")
    for folder in (tiny, "hub/name"):
        student.load_model(folder)
    assert asked == [
        (tiny, {"dtype": "bfloat16", "revision": None}), ("hub/name", {"dtype": "bfloat16", "revision": "main"})
    ]  # fmt: skip
    tokenizer = student.load_tokenizer(tiny)
    assert (tokenizer.pad_token, tokenizer.eos_token) == ("</s>", "<pad>")


def test_what_crosses_to_another_process_is_rebuilt():
    def function(*, student: Student, task: Task, settings: dict, n: int):
        pass

    arguments = {"student": Student("m"), "task": Task("solve", "text", 5), "settings": {"prompt": "x"}, "n": 1}
    plain = arguments | {"student": asdict(arguments["student"]), "task": asdict(arguments["task"])}
    assert restore_dataclasses(function, plain) == restore_dataclasses(function, arguments) == arguments
