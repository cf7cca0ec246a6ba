"""MLflow's own pages over a study's store, as `make ui` serves it."""

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from helpers.browsing import keep


@pytest.fixture(scope="module")
def address(finished):
    """The page that lists the small study's training runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gavel.cli.main", "ui", finished.results, "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        found = re.search(r"http\S+", server.stdout.readline()).group()
        _wait(f"http://127.0.0.1:{port}/health")
        yield found
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


def _wait(address: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            assert time.monotonic() < end, f"{address} does not answer"
            time.sleep(0.5)


def test_the_studys_runs_are_listed_and_a_runs_curves_are_drawn(opened, address):
    page, _, _ = opened(address)
    page.locator(".ag-row button").first.click(timeout=60_000)  # the study's jobs are folded under its name
    for run in ("sft", "grpo-lambda0.5-seed0", "ppo-lambda0.5-seed0"):
        page.get_by_text(run, exact=True).first.wait_for(timeout=60_000)
    keep(page, "mlflow-runs")
    page.get_by_text("grpo-lambda0.5-seed0", exact=True).first.click()
    page.get_by_text("Model metrics", exact=True).first.click()
    page.locator("svg.main-svg path.js-line").first.wait_for(state="attached", timeout=60_000)
    keep(page, "mlflow-run")
