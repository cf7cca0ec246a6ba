"""Records of jobs for MLflow, and the processes that hold them."""

import os
import signal
import subprocess
import sys

import pytest

from gavel.tracking.exporter import Unavailable, export_unsent
from gavel.tracking.job_record import JobRecord

HELD = """
import sys, time
from pathlib import Path
from gavel.tracking.job_record import record_lock
with record_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_record_of_a_killed_process_is_free(tmp_path):
    """Not so that of a live one."""
    library = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    JobRecord.create(tmp_path / "x.json", "http://127.0.0.1:9", "e", "k", "n").save()
    command = [sys.executable, "-c", HELD, str(tmp_path / "x.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=library) as holder:
        assert holder.stdout.readline() == "held\n"
        assert list(export_unsent(tmp_path)) == []
        holder.send_signal(signal.SIGKILL)
    with pytest.raises(Unavailable):
        list(export_unsent(tmp_path))
