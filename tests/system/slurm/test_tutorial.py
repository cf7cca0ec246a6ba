"""The tutorial about Slurm, on a cluster: its commands print what the page shows."""

import pytest

from helpers import tutorials

pytestmark = pytest.mark.timeout(1800)

RUN = "../.venv/bin/gavel run study.yaml --slurm"
SQUEUE = "squeue --me -o '%i %T %M %l %m %k'"
RESOURCES = "../.venv/bin/gavel resources results/cluster"
# The profile's waits suit jobs of hours.
QUICK = "slurm-init-seconds-before-status-checks: 3\nseconds-between-status-checks: 3\n"
# Slurm's numbers of jobs, times, and what the RL job used.
MASKS = (
    r"\b[Jj]ob(id)? \d+",
    r"/\d+\.log",
    r"^\d+(?= RUNNING)",
    r"\b\d+:\d+\b",
    r"\d+\.\d+",
    r"(?<=\| train_rl \| 1 \| )[\d,]+",
    r"tmpdir=\S+",
)


def test_the_tutorial(cluster, tmp_path):
    copy = tutorials.project(tmp_path)
    with open(copy / "profiles/slurm/config.yaml", "a") as profile:
        profile.write(QUICK)
    # The study, which the page starts in a terminal of its own.
    start = f"({RUN} > run.log 2>&1; echo $? > run.status) &"
    trains = "until squeue -h -t R -o %k | grep -q rule_train_rl || [ -e run.status ]; do sleep 0.5; done"
    ends = "until [ -e run.status ]; do sleep 0.5; done; [ $(cat run.status) = 0 ] || cat run.log"
    tutorials.run(
        "laptop-to-slurm.md",
        tmp_path,
        changes={SQUEUE: f"{start} {trains}; {SQUEUE} -t R", RESOURCES: f"{ends}; {RESOURCES}"},
        masks=MASKS,
        timeout=1700,
    )
