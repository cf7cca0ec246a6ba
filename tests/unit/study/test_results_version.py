"""version.json in a results folder: a newer version's folder is refused in one line, an older one's is read."""

import re

import pytest
import yaml

import gavel.results
from gavel import __version__
from gavel.cli.main import main
from gavel.common.errors import InputError
from gavel.common.files import read_json, write_json, write_text
from gavel.study import results_version
from gavel.study.layout import Layout
from gavel.study.results_version import check_version, record_version, written_by
from helpers import fake_results

MAJOR, MINOR = map(int, __version__.split(".")[:2])
NEWER = [f"{MAJOR}.{MINOR + 1}.0", f"{MAJOR + 1}.0.0rc1", f"{MAJOR}.{MINOR + 10}"]


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """The working directory, in which a study has finished in `results`, written by a version that recorded none."""
    monkeypatch.chdir(tmp_path)
    study = fake_results.build(tmp_path / "results", {"main": 20}, samples=4, algorithms=("grpo",))
    study = {key: value for key, value in study.items() if key not in ("provenance", "unseen_kinds")}
    write_text("results/config.yaml", yaml.safe_dump(study))
    write_text("results/logs/data.log", "")
    return study


def test_a_run_records_its_version(tmp_path):
    assert written_by(tmp_path / "new") is None
    record_version(tmp_path / "new")
    assert (
        read_json(tmp_path / "new" / "version.json")
        == {"gavel": __version__}
        == {"gavel": written_by(tmp_path / "new")}
    )


@pytest.mark.parametrize("version", NEWER)
def test_a_newer_version_s_folder_is_neither_read_nor_written(tmp_path, version):
    write_json(tmp_path / "version.json", {"gavel": version})
    for use in (check_version, record_version):
        with pytest.raises(
            InputError, match=rf"written by Gavel {version}, newer than this one \({__version__}\); update"
        ):
            use(tmp_path)
    assert written_by(tmp_path) == version


@pytest.mark.parametrize("version", [f"{MAJOR}.{MINOR}.999", "0.0.1"])
def test_another_patch_or_an_older_version_is_no_obstacle(tmp_path, version):
    write_json(tmp_path / "version.json", {"gavel": version})
    check_version(tmp_path)
    record_version(tmp_path)
    assert written_by(tmp_path) == __version__


@pytest.mark.parametrize("found", [[], {}, {"gavel": 1}, {"gavel": "new"}])
def test_a_malformed_file_is_one_line(tmp_path, found):
    write_json(tmp_path / "version.json", found)
    with pytest.raises(
        InputError, match=r'version\.json: expected \{"gavel": "<version>"\}, found .*; delete the file$'
    ):
        written_by(tmp_path)


def test_a_folder_that_cannot_be_written_is_one_line():
    with pytest.raises(InputError, match=r"^results_dir: /proc/none cannot be written \(.+\); name another folder"):
        record_version("/proc/none")


COMMANDS = ["compare results", "status", "status results", "watch --once", "replay results", "publish results"]


@pytest.mark.parametrize("command", [*COMMANDS, "resources results"])
def test_commands_refuse_a_newer_version_s_folder(command, finished, capsys):
    write_json("results/version.json", {"gavel": NEWER[0]})
    assert main(command.split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(rf"gavel: results: written by Gavel {NEWER[0]}, newer than this one", line)


def test_a_study_s_config_leads_to_the_same_refusal(finished, capsys):
    write_json("results/version.json", {"gavel": NEWER[0]})
    with pytest.raises(InputError, match="newer than this one"):
        gavel.results.load("results")
    with pytest.raises(InputError, match="newer than this one"):
        gavel.results.load("results", config="results/config.yaml")


@pytest.mark.parametrize("version", [None, "0.0.1"])
def test_an_older_version_s_study_opens(version, finished, capsys):
    if version:
        write_json("results/version.json", {"gavel": version})
    assert main(["compare", "results"]) == 0
    assert capsys.readouterr().out == "open comparison.html\n"
    assert len(gavel.results.load("results").runs) > 1


@pytest.mark.parametrize("command", ["compare results", "status results", "replay results", "publish results"])
def test_an_older_version_s_study_that_does_not_open_is_one_line(command, finished, capsys):
    old = finished["sft"] | {"check_every": 1}
    write_text("results/config.yaml", yaml.safe_dump(finished | {"sft": old}))
    assert main(command.split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "was written by an earlier version: the key 'sft.check_every' is now 'sft.validate_every'" in line


def test_the_layout_names_the_file():
    assert Layout("results").version == "results/version.json"
    assert results_version.NUMBERS.match(__version__)
