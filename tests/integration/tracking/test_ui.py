"""`gavel ui`, which is `make ui`: MLflow's pages over a study's store."""

import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from gavel.common.errors import InputError
from gavel.tracking.store import ui_address

UI = (sys.executable, "-m", "gavel.cli.main", "ui")


def test_ui_address(made_store):
    uri, experiment = made_store
    database = Path(uri.removeprefix("sqlite:///"))
    page = ui_address(database, "gavel", "127.0.0.1", 5000)
    assert page == f"http://127.0.0.1:5000/#/experiments/{experiment}?workflowType=machine_learning"
    with pytest.raises(InputError, match="experiments: .*gavel"):
        ui_address(database, "missing", "127.0.0.1", 5000)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_ui_says_what_is_missing(tmp_path, made_store):
    done = subprocess.run([*UI, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "no such file yet" in done.stderr and done.stderr.count("\n") == 1
    results = Path(made_store[0].removeprefix("sqlite:///")).parent
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [*UI, results, "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and f"port {port} is taken" in done.stderr


@pytest.mark.timeout(120)
def test_ui_serves_the_store_and_ends_on_ctrl_c(made_store):
    results, port = Path(made_store[0].removeprefix("sqlite:///")).parent, free_port()
    command = [*UI, results, "--experiment", "gavel", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert f"http://127.0.0.1:{port}/#/experiments/{made_store[1]}?" in server.stdout.readline()
        end = time.monotonic() + 90
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
                    assert answer.status == 200
                break
            except OSError:
                assert time.monotonic() < end and server.poll() is None
                time.sleep(0.3)
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0
        with pytest.raises(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health")
    finally:
        server.kill() if server.poll() is None else None
        server.stdout.close()
