"""The MLflow mirror of several jobs at once."""

import subprocess
import sys

import pytest
from mlflow import MlflowClient

from gavel.common.paths import ROOT
from helpers.mirrored import steps

SCRIPTS = ROOT / "workflow" / "scripts"


JOB = f"""
import sys
sys.path.insert(0, {str(SCRIPTS)!r})
from gavel.tracking.job_record import JobRecord
from gavel.tracking.tracker import Tracker
uri, number, folder = sys.argv[1:]
record = JobRecord.create(f"{{folder}}/{{number}}.json", uri, "race", f"study/rl/{{number}}", "cell", parent="study")
with Tracker(record, uri) as tracker:
    tracker.mirror([{{"step": step, "metrics": {{"x": step}}}} for step in range(20)])
"""


@pytest.mark.timeout(240)
def test_parallel_jobs_agree_on_one_parent_even_on_a_missing_store(tmp_path):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", JOB, uri, str(number), str(tmp_path / "records")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in (1, 1, 2)
    ]
    output = [job.communicate()[0] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0, 0], output
    # Nothing about migrations, telemetry or where to view the run.
    assert output == ["", "", ""]
    client = MlflowClient(uri)
    found = client.search_runs([client.get_experiment_by_name("race").experiment_id])
    runs = {run.data.tags["gavel.key"]: run.info.run_id for run in found}
    assert len(found) == 3 and set(runs) == {"study", "study/rl/1", "study/rl/2"}
    for number in (1, 2):
        assert steps(uri, runs[f"study/rl/{number}"], "x") == [(step, step) for step in range(20)]
