"""`gavel ui`, which is `make ui`: MLflow's pages over a study's store."""

import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from gavel.tracking.study import job_run, server_pages

UI = (sys.executable, "-m", "gavel.cli.main", "ui")


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


@pytest.mark.timeout(200)
def test_ui_serves_the_store_and_ends_on_ctrl_c(made_store, tmp_path):
    results, port = Path(made_store[0].removeprefix("sqlite:///")).parent, free_port()
    command = [*UI, results, "--experiment", "gavel", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert f"http://127.0.0.1:{port}/#/experiments/{made_store[1]}/runs?" in server.stdout.readline()
        end = time.monotonic() + 90
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
                    assert answer.status == 200
                break
            except OSError:
                assert time.monotonic() < end and server.poll() is None
                time.sleep(0.3)
        _assert_a_study_of_that_server_has_the_same_pages(f"http://127.0.0.1:{port}", results, tmp_path)
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0
        with pytest.raises(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health")
    finally:
        server.kill() if server.poll() is None else None
        server.stdout.close()


def _assert_a_study_of_that_server_has_the_same_pages(uri, results, tmp_path) -> None:
    config = {"results_dir": str(tmp_path), "study": "on-a-server", "tracking": {"uri": uri}}
    with job_run(config, "rl", "grpo-lambda0.5-seed0", digest="a", params={"seed": 0}, log=print):
        pass
    pages = server_pages(config)
    assert [page.title for page in pages] == ["Training runs", "Curves of the RL runs", "All jobs"]
    assert all(page.url.startswith(f"{uri}/#/experiments/") and "viewStateShareKey" in page.url for page in pages)
    done = subprocess.run([*UI, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[:3] == [f"{page.title}: {page.url}" for page in pages]
    assert "on-a-server" in done.stdout and "gavel" in done.stdout.splitlines()[3]
