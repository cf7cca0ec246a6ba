"""Stale locks, with real Snakemake processes that are killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from gavel.common.paths import ROOT
from gavel.jobs import snakemake_lock
from gavel.jobs.job import RunLock
from gavel.jobs.snakemake_lock import clear_stale_lock, record_owner

LIBRARY = ROOT / "workflow" / "scripts"
SNAKEFILE = f"""
import sys
sys.path.insert(0, {str(LIBRARY)!r})
from gavel.jobs.snakemake_lock import clear_stale_lock, record_owner
if message := clear_stale_lock():
    print(message, file=sys.stderr)
onstart:
    record_owner()
rule all:
    input: "done"
rule slow:
    output: "done"
    shell: "touch started; if [ -e quick ]; then touch {{output}}; else sleep 600; fi"
"""


@pytest.fixture
def workdir(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    return tmp_path


def command(workdir: Path, *options: str) -> list[str]:
    return [
        *(sys.executable, "-m", "snakemake", "--directory", str(workdir)),
        *("-s", str(workdir / "Snakefile"), "--cores", "1", "--rerun-incomplete", *options),
    ]


def start(workdir: Path) -> subprocess.Popen:
    """Start Snakemake in a process group of its own; return when its job runs."""
    process = subprocess.Popen(
        command(workdir), cwd="/", start_new_session=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    wait_for(lambda: (workdir / "started").exists() or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    return process


def wait_for(condition, seconds: float = 200):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def kill(process: subprocess.Popen):
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stderr.close()


def run(workdir: Path, *options: str) -> subprocess.CompletedProcess:
    return subprocess.run(command(workdir, *options), cwd="/", capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.timeout(180)
def test_a_killed_run_is_cleared_and_a_living_one_is_respected(workdir):
    process = start(workdir)
    try:
        (workdir / "quick").touch()
        refused = run(workdir)
        assert refused.returncode != 0 and "LockException" in refused.stderr + refused.stdout
        assert "Removed the lock" not in refused.stderr
        # A dry-run beside it must not take over, or give up, its lock.
        assert run(workdir, "-n").returncode == 0
        assert list((workdir / ".snakemake/locks").iterdir())
    finally:
        kill(process)
    assert list((workdir / ".snakemake/locks").iterdir())
    again = run(workdir)
    assert again.returncode == 0, again.stderr
    assert f"that died (process {process.pid})" in again.stderr
    assert (workdir / "done").exists()
    assert not (workdir / ".snakemake/locks").exists()


@pytest.fixture
def locked(tmp_path):
    """A folder with one lock file, as Snakemake writes it."""
    path = tmp_path / ".snakemake/locks/0.output.lock"
    path.parent.mkdir(parents=True)
    path.write_text("done\n")
    return tmp_path


def edit_note(folder: Path, **changes):
    (path,) = (folder / ".snakemake/gavel-owners").glob("*.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    "changes, cleared",
    [
        ({}, False),
        ({"pid": 2**22 + 1}, True),
        ({"started": 1.0}, True),
        ({"boot": "another"}, True),
        ({"host": "another", "boot": "another"}, False),
        ({"pid": 2**22 + 1, "namespace": "pid:[1]"}, False),
        ({"pid": 2**22 + 1, "locks": ["0.output.lock 1 1"]}, False),
    ],
    ids=[
        "alive",
        "gone",
        "pid reused",
        "rebooted",
        "other host",
        "other container",
        "later lock of the name",
    ],
)
def test_only_a_dead_owner_on_this_host_loses_its_lock(locked, changes, cleared):
    record_owner(locked)
    edit_note(locked, **changes)
    message = clear_stale_lock(locked)
    assert (message is not None) == cleared
    assert (locked / ".snakemake/locks/0.output.lock").exists() != cleared


def test_a_lock_without_a_note_stays(locked, tmp_path_factory):
    assert clear_stale_lock(locked) is None
    assert (locked / ".snakemake/locks/0.output.lock").exists()
    empty = tmp_path_factory.mktemp("empty")
    assert clear_stale_lock(empty) is None
    assert not list(empty.iterdir())


def test_a_lock_noted_by_the_dead_and_the_living_stays(locked):
    record_owner(locked)
    edit_note(locked, pid=2**22 + 1)
    (note,) = (locked / ".snakemake/gavel-owners").glob("*.json")
    note.rename(note.with_name("dead.json"))
    record_owner(locked)
    assert clear_stale_lock(locked) is None


def test_notes_of_the_dead_do_not_pile_up(locked):
    record_owner(locked)
    edit_note(locked, pid=2**22 + 1, locks=[])
    record_owner(locked)
    (note,) = (locked / ".snakemake/gavel-owners").glob("*.json")
    assert json.loads(note.read_text())["pid"] == os.getpid()


def test_a_zombie_counts_as_dead():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert snakemake_lock._started(child.pid)
    child.stdin.close()
    wait_for(lambda: snakemake_lock._started(child.pid) is None)
    assert child.wait() is not None


def test_a_process_that_the_machine_hides_counts_as_alive(locked, monkeypatch):
    """With hidepid=2 another user's process has no folder in /proc, but may not be sent a signal."""
    record_owner(locked)
    edit_note(locked, pid=2**22 + 1)

    def refuse(pid, signal):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert clear_stale_lock(locked) is None
    monkeypatch.undo()
    assert clear_stale_lock(locked)


@pytest.mark.skipif(not psutil.LINUX, reason="elsewhere the kernel keeps the date of a process's start")
def test_setting_the_clock_does_not_make_a_process_another_one(locked, monkeypatch):
    record_owner(locked)
    boot = psutil.boot_time()
    monkeypatch.setattr("psutil.boot_time", lambda: boot + 3600)
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: boot + 3600)
    assert psutil.Process().create_time() > time.time() + 1800
    assert clear_stale_lock(locked) is None


def test_run_lock_waits_for_a_process_and_is_freed_by_its_death(tmp_path):
    code = f"""
import sys, time
sys.path.insert(0, {str(LIBRARY)!r})
from gavel.jobs.job import RunLock
with RunLock({str(tmp_path)!r}, "grpo"):
    print("held", flush=True)
    time.sleep(60)
"""
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    said = []

    def say(text):
        said.append(text)
        holder.kill()

    with RunLock(tmp_path, "grpo", say):
        assert said == [f"grpo is being trained by process {holder.pid}; waiting for it"]
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    assert (tmp_path / "lock").read_text() == ""
    holder.wait()
    holder.stdout.close()
