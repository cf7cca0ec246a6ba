"""The workflow as a module of another workflow, from a folder that has none of Gavel's files."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gavel.common.paths import ROOT, SCRIPTS
from helpers.small import STUDY, generator

SNAKEFILE = """
configfile: "study.yaml"


rule mine:
    input:
        "summary.txt",


module gavel:
    snakefile:
        "{snakefile}"
    config:
        config


use rule * from gavel as gavel_*


rule summary:
    input:
        rules.{rule}.output.html,
    output:
        "summary.txt",
    shell:
        "cp {{input}} {{output}}"
"""


def workflow(folder: Path, study: dict, rule: str) -> None:
    """Write a workflow that makes one file of what a rule of the module makes."""
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    (folder / "Snakefile").write_text(SNAKEFILE.format(snakefile=ROOT / "workflow" / "Snakefile", rule=rule))


def snakemake(folder: Path, *arguments: str, status: int = 0, **variables: str) -> str:
    command = [sys.executable, "-m", "snakemake", *arguments]
    environment = os.environ | variables
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def jobs(said: str) -> dict[str, int]:
    """Rule -> number of its jobs, from a dry run's table."""
    table = said.split("Job stats:")[1].split("total")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.M)}


def inputs(said: str) -> dict[str, set[str]]:
    """Rule -> what one of its jobs reads."""
    return {rule: set(files.split(", ")) for rule, files in re.findall(r"rule (\w+):\n    input: (.*)", said)}


def shipped(name: str) -> dict:
    return yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text())


@pytest.fixture(scope="module")
def said(tmp_path_factory) -> str:
    """By a dry-run of a workflow with the default study as its module, whose jobs are two processes each."""
    folder = tmp_path_factory.mktemp("module")
    workflow(folder, shipped("config") | {"compute": {"processes": 2}}, "gavel_report_html")
    return snakemake(folder, "-n")


def test_a_study_can_be_part_of_another_workflow(said):
    found = jobs(said)
    assert found["mine"] == found["summary"] == 1, "the module took the default target"
    assert "gavel_all" not in found
    assert {name: found[f"gavel_{name}"] for name in ("prepare_data", "train_sft", "train_rl", "generate")} == {
        "prepare_data": 1, "train_sft": 1, "train_rl": 20, "generate": 22,
    }  # fmt: skip
    read = inputs(said)
    assert read["summary"] == {"results/report.html"}
    assert {f"{ROOT}/resources/models/student", f"{ROOT}/resources/prompts/solve.txt"} <= read["gavel_train_sft"]


def test_a_job_of_several_processes_finds_its_launcher(said):
    assert f"{ROOT}/workflow/accelerate/ddp.yaml" in inputs(said)["gavel_train_sft"]


def test_a_sweep_can_be_part_of_another_workflow(tmp_path):
    workflow(tmp_path, shipped("judge-strength"), "gavel_compare_variants")
    found = jobs(snakemake(tmp_path, "-n"))
    assert found["mine"] == found["summary"] == found["gavel_compare_variants"] == 1
    assert found["gavel_weak_train_rl"] == found["gavel_strong_train_rl"] == 9


def test_its_scripts_run(tmp_path):
    study = shipped("config")
    study["data"] = STUDY["data"] | {"pretrain": generator("pretrain", 300, 0)}
    study["student"] = {"model": "scratch"}
    study["judge"] = {"model": "scratch"}
    workflow(tmp_path, study, "gavel_report_html")
    snakemake(tmp_path, "--cores", "1", "gavel_data")
    assert (tmp_path / "results/data/audit.json").exists()


@pytest.fixture
def hosted(tmp_path) -> dict[str, str]:
    """Variables with which git finds the workflow at github.com/group/gavel, tag v1, without a network."""
    folder = tmp_path / "hosted" / "group" / "gavel"
    ignored = shutil.ignore_patterns("gavel", "__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "workflow", folder / "workflow", ignore=ignored)
    author = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "All"], ["tag", "v1"]):
        subprocess.run(["git", *author, *command], cwd=folder, check=True)
    elsewhere = {"GIT_CONFIG_KEY_0": f"url.{tmp_path}/hosted/.insteadOf", "GIT_CONFIG_VALUE_0": "https://github.com/"}
    return elsewhere | {"GIT_CONFIG_COUNT": "1", "XDG_CACHE_HOME": str(tmp_path / "cache")}


def from_github(folder: Path) -> None:
    """Write a workflow as `snakedeploy` does."""
    folder.mkdir()
    workflow(folder, shipped("demo"), "gavel_report_html")
    source = 'github("group/gavel", path="workflow/Snakefile", tag="v1")'
    text = (folder / "Snakefile").read_text().replace(f'"{ROOT}/workflow/Snakefile"', source)
    (folder / "Snakefile").write_text(text)


def test_rules_from_github_use_the_installed_library(tmp_path, hosted):
    from_github(tmp_path / "mine")
    found = jobs(snakemake(tmp_path / "mine", "-n", PYTHONPATH=str(SCRIPTS), **hosted))
    assert found["mine"] == found["gavel_prepare_data"] == found["gavel_report_html"] == 1


def test_without_the_library_rules_from_github_say_what_to_install(tmp_path, hosted):
    """Its finder does not find it, as where only Snakemake is installed."""
    from_github(tmp_path / "mine")
    hide = "import importlib.util as u; f = u.find_spec; u.find_spec = lambda n, *a: None if n == 'gavel' else f(n, *a)"
    (tmp_path / "hide").mkdir()
    (tmp_path / "hide" / "sitecustomize.py").write_text(hide)
    said = snakemake(tmp_path / "mine", "-n", status=1, PYTHONPATH=str(tmp_path / "hide"), **hosted)
    assert "Gavel's library is missing; install it beside Snakemake, in the version of these rules: pip" in said
