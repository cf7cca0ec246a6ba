"""`gavel check`: what a study reads, asks and needs, shown before it runs."""

import csv
import re

import pytest
import yaml

from gavel.cli.main import main
from gavel.common.paths import ROOT
from gavel.study import memory_check, preview
from gavel.study.memory_check import Memory
from helpers import llama
from helpers.chat_student import chat_student

COLUMNS = {"question": "problem", "answer": "final", "solution": "rationale"}


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A folder, the working directory, with sixty questions in a CSV file."""
    monkeypatch.chdir(tmp_path)
    with open("mine.csv", "w", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(COLUMNS.values())
        for n in range(2, 62):
            solution = f"Tom has {n} + {n} = <<{n}+{n}={2 * n}>>{2 * n} cats now." if n % 2 else ""
            table.writerow([f"Tom has {n} red cats, and buys {n} more. How many has he?", 2 * n, solution])
    return tmp_path


def config(student, **sections) -> dict:
    source = {"reader": "rows", "path": "mine.csv", "columns": COLUMNS}
    raw = {
        "study": "mine",
        "data": {"train": source, "labeled": 20, "unlabeled": 20, "validation": 10, "tests": {"own": source}},
        "student": {"model": student},
        "judge": {"model": student},
        "sft": {"batch_size": 4},
        "rl": {"algorithms": ["grpo"]},
        "primary": {"test_set": "own"},
    }
    raw["data"]["tests"] = {"own": source | {"limit": 5}}
    return raw | {
        name: raw[name] | value if isinstance(value, dict) and name in raw else value
        for name, value in sections.items()
    }


def checked(capsys, raw: dict, *options: str) -> str:
    with open("mine.yaml", "w") as handle:
        yaml.safe_dump(raw, handle)
    assert main(["check", *options, "mine.yaml"]) == 0
    return capsys.readouterr().out


def refused(capsys, raw: dict) -> str:
    with open("mine.yaml", "w") as handle:
        yaml.safe_dump(raw, handle)
    assert main(["check", "mine.yaml"]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("gavel: ")]
    return line


def section(page: str, title: str) -> str:
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_rows_prompts_labels_and_memory_are_shown_and_nothing_is_left(mine, tiny, capsys):
    page = checked(capsys, config(tiny))
    data = section(page, "Data")
    assert "### labeled: 20 questions, 20 with a solution that SFT trains on" in data
    assert "    def solution():\n        result = " in data.partition("### unlabeled")[0]
    unlabelled = data.partition("### unlabeled")[2].partition("### validation")[0]
    assert unlabelled.count("gold answer: withheld") == 2 and "def solution" not in unlabelled
    assert data.partition("### test/own: 5 questions")[2].count("gold answer: ") == 2
    prompts = section(page, "Prompts")
    assert "The student reads:\n\n    Question: Tom has " in prompts
    assert "Is this answer right?" in prompts and "' Yes' is token " in prompts
    assert "- train_sft: 0." in section(page, "Memory") and "This machine has " in section(page, "Memory")
    assert re.search(r"Run it: (\S*/)?gavel run mine.yaml\n$", page)
    assert "Of 60 training questions, 55 are usable (removed: in test, own: 5); the splits leave out 5 of them." in data
    assert "million parameters, 2,048 tokens of context, end token " in section(page, "Models")
    assert {path.name for path in mine.iterdir()} == {"mine.csv", "mine.yaml"}


def test_a_chat_template_shows_as_the_student_reads_it(mine, tiny, capsys):
    student = chat_student(tiny, mine / "student")
    solution = {"chat": True, "system": "Be brief.", "reasoning": True, "max_new_tokens": 120}
    page = checked(capsys, config(student, judge={"model": tiny}, solution=solution))
    assert "    <s><|im_start|>system\n    Be brief.<|im_end|>\n    <|im_start|>user\n" in section(page, "Prompts")
    assert "    # Tom has " in section(page, "Data")


def test_a_judge_that_compares_reads_two_solutions(mine, tiny, capsys):
    labels = {"labels": [" Yes", " No"]}  # the tiny tokenizer splits the default " A"
    shown = section(checked(capsys, config(tiny, judge={"kind": "pairwise", "prompting": labels})), "Prompts")
    assert shown.count("def solution()") == 2 and "' Yes' is token " in shown


def test_without_sft_no_row_has_a_target(mine, tiny, capsys):
    page = checked(capsys, config(tiny, sft=None))
    assert "def solution" not in section(page, "Data") and "- validate_base: " in section(page, "Memory")


def test_the_shipped_judge_reads_questions_that_gavel_did_not_generate(mine, tiny, capsys):
    shipped = str(ROOT / "resources/models/judge")
    assert f"- judge: {shipped}, 1." in section(checked(capsys, config(tiny, judge={"model": shipped})), "Models")
    models = section(checked(capsys, config(tiny, judge={"model": shipped}, solution={"format": "text"})), "Models")
    assert "WARNING: the shipped judge has read programs only" in models
    raw = config(tiny, judge={"model": shipped})
    raw["data"]["tests"]["made"] = {"reader": "generator", "set": "main", "size": 5, "seed": 0}
    assert "judge.model: Gavel trained" in refused(capsys, raw)


def test_solutions_that_responses_cannot_be_as_long_as_are_counted(mine, tiny, capsys):
    page = checked(capsys, config(tiny, solution={"max_new_tokens": 4}))
    assert "WARNING: 20 of the 20 solutions that SFT trains on are longer than solution.max_new_tokens (4), up" in page
    assert "WARNING" not in checked(capsys, config(tiny))


def test_a_gguf_students_context_is_read_from_its_file(mine, tiny, capsys):
    llama.write(llama.model(), "student.gguf")
    text = {"format": "text", "max_new_tokens": 100_000}
    said = refused(capsys, config("student.gguf", judge={"model": tiny}, solution=text))
    assert "solution.max_new_tokens: is 100000, but the context of 'student.gguf' is " in said


def test_a_results_folder_that_cannot_be_made(mine, tiny, capsys):
    raw = config(tiny, results_dir="/proc/gavel/x")
    assert "results_dir: /proc/gavel/x cannot be written (" in refused(capsys, raw)


def test_a_server_is_not_asked(mine, tiny, capsys):
    judge = {"model": "big", "server": {"base_url": "http://localhost:9/v1"}}
    prompts = section(checked(capsys, config(tiny, judge=judge)), "Prompts")
    assert "label words: the judge's server has the tokenizer" in prompts and "Is this answer right?" in prompts


def test_what_is_on_the_hub_is_named_and_checked_once_it_is_fetched(mine, tiny, capsys, monkeypatch):
    student = chat_student(tiny, mine / "student")
    raw = config("owner/student", judge={"model": tiny}, solution={"chat": True})
    raw["data"]["train"] = raw["data"]["train"] | {"path": "owner/rows", "revision": "v1"}
    page = checked(capsys, raw)
    assert "- data.train: dataset owner/rows, revision v1\n- student: model owner/student" in section(page, "Downloads")
    assert "data.train: not here yet: `gavel check --fetch`" in section(page, "Data")
    assert "The student is not here yet: `gavel check --fetch`" in section(page, "Prompts")
    assert "Not estimated: " in section(page, "Memory")

    asked = []

    def download(name, **wanted):
        asked.append((name, wanted["kind"], wanted["revision"], wanted["key"]))
        return mine / {"owner/student": "student", "owner/rows": "rows"}[name]

    (mine / "rows").mkdir()
    (mine / "mine.csv").rename(mine / "rows/train.csv")
    raw["data"]["train"]["split"] = "train"
    raw["data"]["tests"]["own"]["path"] = "rows/train.csv"
    monkeypatch.setattr(preview, "download", download)
    page = checked(capsys, raw, "--fetch")
    assert asked == [
        ("owner/rows", "dataset", "v1", "data.train.path"),
        ("owner/student", "model", None, "student.model"),
    ]
    assert "<|im_start|>user" in section(page, "Prompts") and "### labeled: 20 questions" in section(page, "Data")
    assert "- train_sft: 0." in section(page, "Memory")
    assert student


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"labeled": 100}}, "data.labeled"),
        ({"judge": {"prompting": {"labels": [" Definitely", " No"]}}}, "judge.prompting.labels: ' Definitely'"),
        ({"solution": {"chat": True}}, "solution.chat: the student's tokenizer has no chat template"),
        ({"sft": {"batch_size": 21}}, "sft.batch_size: is 21, but only "),
        ({"solution": {"max_new_tokens": 100_000}}, "solution.max_new_tokens: is 100000, but the context of "),
    ],
)
def test_what_is_wrong_is_one_line(mine, tiny, capsys, changes, message):
    assert message in refused(capsys, config(tiny, **changes))


def test_a_column_that_is_not_there_and_a_study_that_does_not_fit(mine, tiny, capsys, monkeypatch):
    raw = config(tiny)
    raw["data"]["train"] = raw["data"]["train"] | {"columns": COLUMNS | {"answer": "finale"}}
    assert "has no column 'finale'; did you mean 'final'?" in refused(capsys, raw)
    monkeypatch.setattr(memory_check, "available", lambda *_, **__: Memory(10 * 2**20, "this machine has"))
    assert "needs about " in refused(capsys, config(tiny))


def test_the_other_judges_of_a_study_are_checked_and_listed(mine, tiny, capsys):
    members = {"a": tiny, "b": "resources/models/two-bit-judge"}
    section = {"kind": "panel", "panel": {"judges": members}, "watch": {"w": tiny}}
    page = checked(capsys, config(tiny) | {"judge": section, "replay": {"judges": {"r": tiny}}})
    for key in ("judge.panel.judges.a", "judge.watch.w", "replay.judges.r"):
        assert f"- {key}: {tiny}, single-token" in page
    assert "- judge: no model, panel" in page and "reads the prompts of its members' own studies" in page
    (mine / "empty").mkdir()
    assert "config: judge.watch.w: model: " in refused(capsys, config(tiny, judge={"watch": {"w": "empty"}}))


def test_every_variant_of_a_sweep_is_checked(mine, tiny, capsys):
    variants = {"few": {"data": {"labeled": 10}}, "many": {"data": {"labeled": 20}}}
    page = checked(capsys, config(tiny) | {"sweep": {"variants": variants}})
    assert "variant `few`, results in " in page and "### labeled: 10 questions" in page
    assert "variant `many`, results in " in page
    assert page.endswith("gavel run mine.yaml\n")


def test_variants_with_the_same_data_are_split_once(mine, tiny, capsys, monkeypatch):
    made, prepare = [], preview.prepare
    monkeypatch.setattr(preview, "prepare", lambda **wanted: made.append(wanted["labeled"]) or prepare(**wanted))
    variants = {"one": {}, "slow": {"rl": {"steps": 9}}, "few": {"data": {"labeled": 10}}}
    page = checked(capsys, config(tiny) | {"sweep": {"variants": variants}})
    assert sorted(made) == [10, 20]
    assert page.count("### labeled: 20 questions") == 2
