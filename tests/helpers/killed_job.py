"""A training job of several processes that is killed, as by `kill -9`, when it has saved a given step."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from gavel.common.paths import ROOT
from gavel.jobs.launch import restore_dataclasses, train


class Killer:
    """A mirror, which the job's own process updates after each checkpoint."""

    def __init__(self, step: int):
        self.step = step

    def mirror(self, journal, up_to_step) -> None:
        if up_to_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def train_and_kill(module: str, distributed: str, job: dict, step: int) -> None:
    """Start a job of two processes, kill it when the step is saved, and wait until none of its processes is left.

    Args:
        module: whose `train` trains.
        job: keyword arguments of `gavel.jobs.launch.train`, plain values.
    """
    search = os.pathsep.join(filter(None, [str(ROOT / "tests"), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "helpers.killed_job"],
        input=json.dumps({"module": module, "distributed": distributed, "job": job, "step": step}),
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": search},
    )
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
    wait_for_the_end_of(Path(f"{job['run']['state']}.job.json"))


def wait_for_the_end_of(task: Path) -> None:
    """Until no process has this task on its command line."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if readable(path)]
        if not any(os.fsencode(task) in line for line in lines):
            return
        time.sleep(0.1)
    raise AssertionError("a training process has outlived its job by 20 s")


def readable(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    compute = {"processes": 2, "distributed": asked["distributed"]}
    plain = restore_dataclasses(train, asked["job"])
    train(asked["module"], compute, 2, mirror=Killer(asked["step"]), **plain)
