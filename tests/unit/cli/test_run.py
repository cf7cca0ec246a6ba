"""`gavel run`: the Snakemake command that it becomes. tests/integration/cli/test_run.py starts it."""

import os
import sys
from pathlib import Path

import pytest
import yaml

from gavel.cli.main import main
from gavel.common.paths import ROOT
from gavel.study.schema.study import load

DEMO = str(ROOT / "config" / "demo.yaml")
SNAKEFILE = ["--snakefile", str(ROOT / "Snakefile")]


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Call `gavel run` in a folder outside the project; returns Snakemake's arguments."""
    monkeypatch.chdir(tmp_path)
    became: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda program, arguments: became.append([program, *arguments]))

    def called(*arguments: str) -> list[str]:
        assert main(["run", *arguments]) == 0
        (found,) = became
        became.clear()
        assert found[:4] == [sys.executable, sys.executable, "-m", "snakemake"]
        return found[4:]

    return called


def refused(capsys, *arguments: str) -> str:
    assert main(["run", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line.removeprefix("gavel: ")


def test_a_study_runs_on_all_cores_up_to_its_report(command):
    assert command(DEMO) == [*SNAKEFILE, "--cores", "all", "--configfile", DEMO]


def test_a_shipped_study_runs_from_any_folder(command, tmp_path):
    assert command("config/demo.yaml") == command(DEMO)
    assert "Written by `gavel run config/demo.yaml --smoke`" in smoke_config(command, "config/demo.yaml")
    own = tmp_path / "config" / "demo.yaml"
    own.parent.mkdir()
    own.write_text((ROOT / "config/minimal.yaml").read_text())
    assert command("config/demo.yaml")[-1] == "config/demo.yaml"


def smoke_config(command, name: str) -> str:
    return Path(command(name, "--smoke")[-1]).read_text()


def test_targets_and_options_may_come_in_any_order(command):
    expected = ["data", "judge", *SNAKEFILE, "--cores", "2", "--dry-run", "--configfile", DEMO]
    assert command(DEMO, "data", "judge", "--cores", "2", "--dry-run") == expected
    assert command(DEMO, "--cores", "2", "--dry-run", "data", "judge") == expected
    assert command("--dry-run", "--cores=2", DEMO, "data", "judge") == expected


def test_what_follows_the_dashes_is_snakemake_s(command):
    made = command(DEMO, "--cores", "1", "sft", "--", "--keep-going", "--forcerun", "train_sft")
    more = ["--keep-going", "--forcerun", "train_sft"]
    assert made == ["sft", *SNAKEFILE, "--cores", "1", *more, "--configfile", DEMO]


def test_slurm_uses_the_working_directory_s_profile_if_there_is_one(command, tmp_path):
    assert command(DEMO, "--slurm")[-4:-2] == ["--workflow-profile", str(ROOT / "profiles/slurm")]
    (tmp_path / "profiles" / "slurm").mkdir(parents=True)
    made = command(DEMO, "--slurm")
    assert made[-4:-2] == ["--workflow-profile", "profiles/slurm"] and "--cores" not in made


def test_a_smoke_run_has_its_own_config_and_says_where_its_results_are(command, tmp_path, capsys):
    made = command(DEMO, "--smoke")
    assert made == [*SNAKEFILE, "--cores", "all", "--configfile", "results/demo-smoke/smoke.yaml"]
    study = load(yaml.safe_load((tmp_path / "results/demo-smoke/smoke.yaml").read_text()))
    assert (study["study"], study["results_dir"]) == ("demo-smoke", "results/demo-smoke")
    assert capsys.readouterr().err.startswith(f"Smoke run of {DEMO}: results in results/demo-smoke, which are no")
    assert [*tmp_path.iterdir()] == [tmp_path / "results"]


def test_a_smoke_run_of_a_sweep_keeps_the_order_of_its_variants(command, tmp_path):
    command(str(ROOT / "config/judges.yaml"), "--smoke")
    written = yaml.safe_load((tmp_path / "results/judges-smoke/smoke.yaml").read_text())
    given = yaml.safe_load((ROOT / "config/judges.yaml").read_text())
    assert list(written["sweep"]["variants"]) == list(given["sweep"]["variants"])


def test_a_bad_config_is_one_line_and_starts_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "execv", lambda *arguments: pytest.fail("started"))
    assert refused(capsys, "none.yaml") == "none.yaml: cannot be read (No such file or directory); check the path"
    raw = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
    raw["rl"]["learnin_rate"] = 1
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(raw))
    for smoke in ([], ["--smoke"]):
        said = refused(capsys, "mine.yaml", *smoke)
        assert said == "config: unknown key 'rl.learnin_rate'; did you mean 'rl.learning_rate'?"
    assert not (tmp_path / "results").exists()


def test_cores_and_slurm_exclude_each_other(capsys):
    assert refused(capsys, DEMO, "--slurm", "--cores", "2").startswith("--cores: has no effect with --slurm")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([DEMO, "--cores", "0"], "'0' is not a whole number of 1 or more, nor `all`"),
        ([DEMO, "--bad"], "unrecognized arguments: --bad"),
        ([DEMO, "data", "--cores", "1", "judge", "--bad"], "unrecognized arguments: judge --bad"),
    ],
)
def test_a_wrong_option_is_refused(arguments, complaint, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["run", *arguments])
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_other_commands_take_no_further_words(capsys):
    with pytest.raises(SystemExit):
        main(["check", DEMO, "--cluster", "more"])
    assert "unrecognized arguments: more" in capsys.readouterr().err


def test_changes_are_passed_on(command, tmp_path):
    (tmp_path / "here.yaml").write_text("rl: {steps: 3, learning_rate: 1.0e-4}\n")
    made = command(DEMO, "--with", "here.yaml", "--set", "rl.steps=2", "--set=rl.seeds=[0, 1]", "sft")
    assert made[0] == "sft"
    assert made[-5:] == ["--config", 'rl={"steps": 2, "seeds": [0, 1]}', "--configfile", DEMO, "here.yaml"]


def test_a_smoke_run_has_the_changes(command, tmp_path):
    (tmp_path / "here.yaml").write_text("study: elsewhere\n")
    made = command(DEMO, "--smoke", "--with=here.yaml", "--set", "rl.learning_rate=0.5")
    config = yaml.safe_load((tmp_path / made[-1]).read_text())
    assert made[-2] == "--configfile" and config["rl"]["learning_rate"] == 0.5
    assert config["study"].startswith("elsewhere")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("rl.steps", "--set rl.steps: expected KEY=VALUE"),
        ("rl..steps=1", "--set rl..steps: expected KEY=VALUE"),
        ("rl.steps={1", "--set rl.steps: the value is not valid YAML"),
        ("rl.learnin_rate=1", "unknown key 'rl.learnin_rate'"),
        ("rl.steps=010", "octal"),
    ],
)
def test_a_wrong_change_is_one_line(capsys, command, setting, message):
    assert message in refused(capsys, DEMO, "--set", setting)


def test_a_key_is_changed_once(capsys, command):
    line = refused(capsys, DEMO, "--set", "rl.steps=1", "--set", "rl={steps: 2}")
    assert line == "--set: key 'rl.steps' is given twice; keep one of them"


def test_a_missing_file_of_changes_is_one_line(capsys, command):
    assert refused(capsys, DEMO, "--with", "none.yaml").startswith("none.yaml: cannot be read")
