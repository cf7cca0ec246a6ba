"""`gavel init`: the study that it writes is valid as it is, and takes nothing's place."""

import json
import re

import pytest

from gavel.cli import init
from gavel.cli.main import main
from gavel.common.files import read_jsonl
from gavel.common.paths import ROOT
from gavel.study import config_files


@pytest.fixture
def made(tmp_path, monkeypatch, capsys):
    """The folder of a new study, which is the working directory, and what was printed."""
    monkeypatch.chdir(tmp_path)
    assert main(["init", "mine"]) == 0
    monkeypatch.chdir(tmp_path / "mine")
    return tmp_path / "mine", capsys.readouterr().out


def test_the_study_passes_its_check_as_it_is(made, capsys):
    assert main(["check", "study.yaml"]) == 0
    page = capsys.readouterr().out
    assert page.startswith("# `study.yaml`, results in `results/mine`\n")
    assert "WARNING" not in page and "No problem found." in page


def test_the_folder_has_config_data_profile_and_gitignore(made):
    folder, _ = made
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {".gitignore", "study.yaml", "data/train.jsonl", "data/test.jsonl", "profiles/slurm/config.yaml"}
    assert (folder / init.SLURM).read_text() == (ROOT / init.SLURM).read_text()
    assert "/results/" in (folder / ".gitignore").read_text().splitlines()


def test_the_rows_are_in_the_documented_layout(made):
    folder, _ = made
    data = config_files.read("study.yaml")["data"]
    train, test = (list(read_jsonl(folder / "data" / f"{name}.jsonl")) for name in ("train", "test"))
    assert len(train) == data["labeled"] + data["unlabeled"] + data["validation"]
    columns = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "reference" / "data.md").read_text(), re.MULTILINE)
    assert all(row.keys() <= {*columns} and row.keys() >= {"question", "answer"} for row in train + test)
    assert not {row["question"] for row in train} & {row["question"] for row in test}


def test_the_config_is_commented(made):
    text = (made[0] / "study.yaml").read_text()
    assert text.count("#") >= 15 and max(map(len, text.splitlines())) <= 120


def test_what_comes_next_is_printed(made):
    _, text = made
    first, check, smoke = text.splitlines()
    assert first == "mine: a study with example data. Next:"
    assert re.fullmatch(r"    cd mine && (/\S*)?gavel check study\.yaml", check)
    assert re.fullmatch(r"    (/\S*)?gavel run study\.yaml --smoke", smoke)


def test_nothing_is_overwritten(made, monkeypatch, capsys):
    folder, _ = made
    monkeypatch.chdir(folder.parent)
    (folder / "study.yaml").write_text("mine")
    assert main(["init", "mine"]) == 2
    assert capsys.readouterr().err == "gavel: mine: is already there, and nothing is overwritten; give another name\n"
    assert (folder / "study.yaml").read_text() == "mine"
    (folder.parent / "file").write_text("")
    assert main(["init", "file"]) == 2
    (folder.parent / "empty").mkdir()
    assert main(["init", "empty"]) == 0 and (folder.parent / "empty" / "study.yaml").exists()


@pytest.mark.parametrize("name", ["2026", "true", "010", "deep/er/study_1"])
def test_the_name_is_text_whatever_yaml_takes_it_for(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["init", name]) == 0
    assert config_files.read(tmp_path / name / "study.yaml")["study"] == name.split("/")[-1]


@pytest.mark.parametrize("name", ["a b", ".hidden", "..", "é"])
def test_a_name_that_a_study_cannot_have_is_refused(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["init", name]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"gavel: NAME {name}: ") and error.count("\n") == 1
    assert [*tmp_path.iterdir()] == []


def test_a_folder_that_cannot_be_written_is_one_line(capsys):
    assert main(["init", "/proc/gavel/mine"]) == 2
    assert "/proc/gavel/mine: cannot be written (" in capsys.readouterr().err


def test_the_template_names_what_is_replaced():
    assert init.NAMED in (init.TEMPLATE / "study.yaml").read_text()
    for line in (init.TEMPLATE / "data" / "train.jsonl").read_text().splitlines():
        json.loads(line)
