"""The example with TRL's own trainer: the shipped student under the shipped judge, for a few steps."""

import os
import re
import subprocess
import sys

import pytest

from gavel.common.paths import ROOT, SCRIPTS

pytestmark = pytest.mark.timeout(900)


def test_the_example_trains_and_validates(tmp_path):
    done = subprocess.run(
        [sys.executable, "examples/trl_judge.py", "--steps", "4", "--output", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(SCRIPTS), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    validated = re.findall(r"step (\d): validation accuracy 0\.\d+, judge 0\.\d+", done.stderr)
    assert validated == ["0", "1", "2", "3", "4"]
    rewards = [float(value) for value in re.findall(r"'rewards/judge/mean': '([\d.e-]+)'", done.stdout)]
    assert len(rewards) == 4 and all(0 < reward < 1 for reward in rewards)
    assert re.match(r"(no collapse|collapsed) \[", done.stdout.splitlines()[-1])
