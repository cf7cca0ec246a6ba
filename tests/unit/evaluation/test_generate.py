"""What generation does not repeat: a checkpoint that is another one's copy has its greedy responses."""

import shutil

from gavel.common.files import read_jsonl, write_jsonl
from gavel.data.draw import drawn
from gavel.evaluation.generate import generate, is_copy, write_greedy
from gavel.models.loading import Student, save
from gavel.models.task import Task

TASK = Task("solve", "program", 6)


def test_a_copy_has_the_same_files_with_the_same_content(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"weights")
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    assert is_copy(first, second)
    (tmp_path / "second" / "config.json").write_text("{}")
    assert not is_copy(first, second)
    (tmp_path / "first" / "config.json").write_text("[]")
    assert not is_copy(first, second)


def test_a_copys_greedy_responses_are_those_that_it_would_give(model, tokenizer, tmp_path):
    save(model, tokenizer, tmp_path / "final")
    shutil.copytree(tmp_path / "final", tmp_path / "best")
    questions = tmp_path / "main.jsonl"
    write_jsonl(questions, [{"id": f"q{i}", "question": f"Ben has {i} keys.", "gold": str(i)} for i in range(3)])
    common = {"student": Student(), "task": TASK, "temperature": 1.0, "seed": 0}
    sampled, alone, taken = (tmp_path / f"{name}.jsonl" for name in ("sampled", "alone", "taken"))
    generate(model=str(tmp_path / "final"), files=[(str(questions), str(sampled))], n=4, **common)
    generate(model=str(tmp_path / "best"), files=[(str(questions), str(alone))], n=0, **common)
    write_greedy(str(sampled), str(taken))
    assert taken.read_bytes() == alone.read_bytes()
    rows = list(read_jsonl(sampled))
    assert [(row["id"], row["sample"]) for row in rows] == [(f"q{i}", k) for i in range(3) for k in range(-1, 4)]
    assert {row["temperature"] for row in rows if row["sample"] < 0} == {0.0}


def test_part_of_the_questions_gets_the_samples_that_all_would_get(model, tokenizer, tmp_path):
    save(model, tokenizer, tmp_path / "final")
    questions = [{"id": f"q{i}", "question": f"Ben has {i} keys.", "gold": str(i)} for i in range(6)]
    write_jsonl(tmp_path / "main.jsonl", questions)
    common = {"model": str(tmp_path / "final"), "student": Student(), "task": TASK, "temperature": 1.0, "seed": 0}

    def rows(*sampled):
        files = [(str(tmp_path / "main.jsonl"), str(tmp_path / "out.jsonl"))]
        generate(files=files, n=2, sampled=sampled, **common)
        return list(read_jsonl(tmp_path / "out.jsonl"))

    whole, chosen = rows(), drawn([row["id"] for row in questions], 2)
    assert rows(None) == rows(6) == whole
    assert rows(2) == [row for row in whole if row["sample"] < 0 or row["id"] in chosen]
    assert rows(0) == [row for row in whole if row["sample"] < 0]
