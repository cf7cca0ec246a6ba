"""The page of `gavel watch` in a browser, while another process writes it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gavel.common.journal import Journal
from helpers.browsing import keep
from helpers.half_way import RUN, write_half_way


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """A study that is half-way, and `gavel watch` of it, which writes each second."""
    monkeypatch.chdir(tmp_path)
    write_half_way()
    command = [sys.executable, "-m", "gavel.cli.main", "watch", "small.yaml", "--every", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "open results/small/live.html\n"
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_it_shows_new_steps_by_itself_and_fits_its_width(opened, watched, width, scheme):
    page, said, asked = opened(Path("results/small/live.html").absolute().as_uri(), width, color_scheme=scheme)
    run = page.locator("tr", has=page.locator("th", has_text=RUN))
    assert "3 of 4" in run.inner_text()
    Journal(f"results/small/state/{RUN}/journal.jsonl").append(4, {"loss": 1.0})
    run.filter(has_text="4 of 4").wait_for(timeout=30_000)
    assert not page.locator("#stale").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert said == [] and {address.partition("#")[0] for address in asked} == {page.url}
    keep(page, f"live-{width}-{scheme}", full_page=True)


def test_it_says_when_nobody_writes_it_any_more(opened, watched):
    os.kill(watched.pid, signal.SIGKILL)
    watched.wait()
    page, _, _ = opened(Path("results/small/live.html").absolute().as_uri())
    page.locator("#stale").wait_for(state="visible", timeout=30_000)
    assert "no longer writes it" in page.locator("#stale").inner_text()


def test_ctrl_c_ends_the_reloading(opened, watched):
    watched.send_signal(signal.SIGINT)
    assert watched.wait(60) == 0
    page, _, _ = opened(Path("results/small/live.html").absolute().as_uri())
    assert page.locator("meta[http-equiv=refresh]").count() == 0
