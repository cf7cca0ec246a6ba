"""Where results may lie: not where they would overwrite those of another study."""

import inspect
import re

import pytest
import yaml

from gavel.common.errors import InputError
from gavel.common.paths import ROOT
from gavel.study import results_folder, sweep
from gavel.study.layout import Layout
from gavel.study.schema import study
from helpers.configs import default


def test_the_list_of_folders_in_use_has_all_that_a_results_folder_is_said_to_hold():
    text = (ROOT / "results" / "README.md").read_text()
    named = set()
    for cell in (line.split("|")[1] for line in text.splitlines() if line.startswith("| `")):
        paths = [path.rstrip("/") for path in re.findall(r"`([a-z][^`]*)`", cell)]
        if "/" in paths[0]:  # names without a folder lie in that of the first
            paths = [path for path in paths if "/" in path]
        named |= {path.split("/")[0] for path in paths}
    named |= set(re.findall(r"`results/([a-z]+)/`", text)) | set(re.findall(r"`(seeds\.csv)`", text))
    assert {"data", "state", "slurm", "mlflow.db", "report.html", "hub", "unfinished", "seeds.csv"} <= named
    assert named | {"README.md"} <= set(results_folder.RESERVED_NAMES)


def test_the_list_of_folders_in_use_has_all_that_rules_write():
    written = set(re.findall(r"\{(?:self\.)?root\}/([A-Za-z][A-Za-z._]*)", inspect.getsource(Layout)))
    written |= set(re.findall(r"results/([a-z]+)", (ROOT / "profiles/slurm/config.yaml").read_text())) - {"report"}
    assert {"data", "judge", "runs", "slurm"} <= written
    assert written <= set(results_folder.RESERVED_NAMES)


@pytest.mark.parametrize("name", results_folder.RESERVED_NAMES)
def test_no_study_has_the_name_of_a_folder_in_use(name):
    raw = default() | {"study": name}
    del raw["results_dir"]
    with pytest.raises(InputError, match=f"results/{re.escape(name)} is among the default study's results"):
        study.load(raw)


@pytest.mark.parametrize(("name", "reason"), [("-n", "dash"), ("--config", "dash"), ("-", "letter"), (".x", "dot")])
def test_a_study_s_name_does_not_begin_with_a_sign(name, reason):
    raw = default() | {"study": name}
    del raw["results_dir"]
    with pytest.raises(InputError, match=f"^config: study: .*{reason}"):
        study.load(raw)


@pytest.mark.parametrize("folder", ["results", "./results/", "docs/../results", str(ROOT / "results")])
def test_another_study_does_not_lie_where_the_default_study_does(folder):
    assert study.load(default() | {"results_dir": folder})["study"] == default()["study"]
    message = f"is the folder of the default study {default()['study']!r}, whose results '[a-z-]+' would overwrite"
    with pytest.raises(InputError, match=f"^config: results_dir: .*{message}"):
        study.load(default() | {"study": "jt", "results_dir": folder})
    raw = yaml.safe_load((ROOT / "config" / "judge-strength.yaml").read_text()) | {"results_dir": folder}
    with pytest.raises(InputError, match=message):
        sweep.resolve(raw, ROOT)


def test_the_default_study_is_that_of_the_working_directory(tmp_path, monkeypatch):
    """In a project of one's own the default study has another name, and may lie elsewhere."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("results")
    (tmp_path / "results").mkdir()
    anything = default() | {"study": "jt", "results_dir": "results"}
    assert study.load(anything)["results_dir"] == "results"  # nothing here has it for its own
    (tmp_path / "config").mkdir()
    mine = tmp_path / "config" / "config.yaml"
    mine.write_text(yaml.safe_dump(default() | {"study": "jt"}))
    assert study.load(anything)["study"] == "jt"
    for folder in ("results", "link"):
        with pytest.raises(InputError, match="default study 'jt', whose results 'tiny' would overwrite"):
            study.load(default() | {"results_dir": folder})
    mine.write_text(yaml.safe_dump(default() | {"study": "jt", "results_dir": "out"}))
    assert study.load(default() | {"results_dir": "results"})["results_dir"] == "results"
    with pytest.raises(InputError, match="results_dir: out is the folder of the default study 'jt'"):
        study.load(default() | {"results_dir": "out"})
    mine.write_text("study: [")  # the workflow says what is wrong with it
    assert study.load(anything)["study"] == "jt"
    with pytest.raises(InputError, match="is the folder of the default study"):
        study.load(anything | {"results_dir": str(ROOT / "results")})


@pytest.mark.parametrize("file", ["config.yaml", "unfinished/config.yaml"])
def test_another_study_does_not_lie_where_a_study_has_left_its_results(tmp_path, file):
    written = tmp_path / "out" / file
    written.parent.mkdir(parents=True)
    written.write_text(yaml.safe_dump(default() | {"study": "first"}))
    here = default() | {"results_dir": str(tmp_path / "out")}
    assert study.load(here | {"study": "first"})["study"] == "first"
    message = "holds the results of the study 'first', which 'second' would overwrite; name another folder, such as"
    with pytest.raises(InputError, match=f"^config: results_dir: {tmp_path}/out {message}"):
        study.load(here | {"study": "second"})
    with pytest.raises(InputError, match=f"^config: results_dir: {tmp_path}/out {message}"):
        study.check_place({"study": "second", "results_dir": str(tmp_path / "out")})
    for other in ("question: what?\n", "study: [", ""):  # not a study's
        written.write_text(other)
        assert study.load(here | {"study": "second"})["study"] == "second"
