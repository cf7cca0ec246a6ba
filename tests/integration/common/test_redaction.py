"""Passwords and keys stay hidden in what other processes print: jobs, a judge's server, Snakemake."""

import os
import subprocess
import sys

import pytest
import yaml

from gavel.common.errors import InputError
from gavel.common.paths import ROOT
from gavel.judge.access import judge_access
from gavel.study.resolve import read
from helpers.configs import default
from helpers.own_server import SERVER
from helpers.planted import SECRET, contents

JOB = """
import subprocess, sys
from gavel.common import log as progress
from gavel.common.errors import InputError
with progress.script_log("logs/job.log", "job"):
    progress.info("asking http://me:SECRET@host", console=True)
    progress.print_to_console("--api-key SECRET")
    print("a library prints api_key='SECRET'")
    subprocess.run(["echo", "a process prints --api-key SECRET"], check=True)
    raise ERROR
"""


@pytest.mark.parametrize(
    "error",
    [
        "InputError('cannot reach http://me:SECRET@host')",
        "RuntimeError('(psycopg2.OperationalError) cannot reach postgresql://me:SECRET@host/db')",
    ],
)
def test_no_log_and_no_line_on_the_console_shows_a_secret(error, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", JOB.replace("ERROR", error).replace("SECRET", SECRET)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow" / "scripts")},
    )
    assert done.returncode == 1
    log, console = contents(tmp_path), done.stdout + done.stderr
    assert SECRET not in log + console
    for words in ("asking", "a library prints", "a process prints", "cannot reach"):
        assert words in log and words in console


def test_the_log_of_a_server_does_not_show_the_key_that_its_command_names(tmp_path, monkeypatch):
    monkeypatch.setenv("JUDGE_SECRET", SECRET)
    code = "import runpy, sys; print(sys.argv, flush=True); sys.argv.pop(); "
    code += f"runpy.run_path({str(SERVER)!r}, run_name='__main__')"
    command = [sys.executable, "-c", code, "port={port}", "--api-key=${JUDGE_SECRET}"]
    asked = {
        "serve": "job",
        "base_url": None,
        "command": command,
        "gpus": None,
        "startup_timeout_s": 60.0,
        "restarts": 0,
    }
    asked |= {"api_key_env": "NONE", "top_logprobs": 20, "concurrency": 2, "timeout_s": 5.0, "retries": 0}
    judge = {"batch_tokens": 1, "model": "m", "cache": "off", "server": asked, "simulated": None, "panel": None}
    study = {"judge": judge, "results_dir": str(tmp_path)}
    with judge_access(study, tmp_path / "logs" / "job.log"):
        pass
    log = (tmp_path / "logs" / "job.judge-server.log").read_text()
    assert SECRET not in log
    assert "--api-key=<hidden>" in log


def test_a_study_with_a_secret_ends_at_once_and_shows_it_nowhere(tmp_path):
    """By Snakemake and by the command line."""
    raw = default()
    raw["judge"] = raw["judge"] | {"model": "m", "server": {"base_url": f"http://me:{SECRET}@host/v1"}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(raw))
    work = tmp_path / "work"
    work.mkdir()
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--configfile"]
    done = subprocess.run(
        [*command, str(tmp_path / "study.yaml"), "-p", "--verbose", "--cores", "1"],
        cwd=work,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ,
    )
    assert done.returncode != 0
    assert "judge.server.base_url" in done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr + contents(work)
    with pytest.raises(InputError) as caught:
        read(tmp_path / "study.yaml", ROOT)
    assert SECRET not in str(caught.value)
