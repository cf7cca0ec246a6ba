"""MLflow's own pages over a study's store, as `make ui` serves it, in a browser that has never seen them."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from helpers.browsing import keep
from helpers.training_runs import GRID, RESULTS, log_runs, report

PATIENCE_MS = 60_000
LAPTOP = 1440  # pixels


@pytest.fixture(scope="module")
def studies(tmp_path_factory) -> tuple[Path, Path]:
    """Results folders of a study before its report, which is as a store was before results were added, and after it."""
    folder = tmp_path_factory.mktemp("mlflow")
    log_runs(folder / "after")
    shutil.copytree(folder / "after", folder / "before")
    report(folder / "after")
    return folder / "before", folder / "after"


@pytest.fixture(scope="module")
def before(studies) -> Iterator[dict[str, str]]:
    with served(studies[0]) as pages:
        yield pages


@pytest.fixture(scope="module")
def after(studies) -> Iterator[dict[str, str]]:
    with served(studies[1]) as pages:
        yield pages


@contextmanager
def served(results: Path) -> Iterator[dict[str, str]]:
    """What `gavel ui` prints: title -> address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gavel.cli.main", "ui", results, "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        lines = [server.stdout.readline().strip() for _ in range(3)]
        _wait(f"http://127.0.0.1:{port}/health")
        yield dict(line.split(": ", 1) for line in lines)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        server.stdout.close()


def _wait(address: str, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            assert time.monotonic() < end, f"{address} does not answer"
            time.sleep(0.5)


def table(page: Page) -> dict[str, dict[str, str]]:
    """The table as far as it stands on the screen: run -> heading -> value."""
    page.locator(".ag-center-cols-container .ag-row").first.wait_for(timeout=PATIENCE_MS)
    headings = {cell.get_attribute("col-id"): cell.inner_text().strip() for cell in seen(page, ".ag-header-cell")}
    rows: dict[str, dict[str, str]] = {}
    for cell in seen(page, ".ag-row .ag-cell"):
        row = cell.locator("xpath=ancestor::*[@row-index][1]").get_attribute("row-index")
        heading = headings.get(cell.get_attribute("col-id"), "")
        rows.setdefault(row, {})[heading] = cell.inner_text().strip().split("\n")[-1]  # first a name's colour
    return {row["Run Name"]: row for row in rows.values()}


def seen(page: Page, selector: str) -> list[Locator]:
    """The elements whose middle lies within the table's frame."""
    frame = page.locator(".ag-root").bounding_box()
    boxes = [(one, one.bounding_box()) for one in page.locator(selector).all()]
    return [one for one, box in boxes if box and box["x"] + box["width"] / 2 < frame["x"] + frame["width"]]


def chart(page: Page, metric: str) -> Locator:
    """A metric's chart, once it is drawn."""
    card = page.get_by_test_id("experiment-view-compare-runs-card").filter(has=page.get_by_text(metric, exact=True))
    card.locator("path.js-line").first.wait_for(state="attached", timeout=PATIENCE_MS)
    return card


def test_training_runs_are_listed_with_their_results(opened, after):
    page, _, _ = opened(after["Training runs"], width=LAPTOP)
    found = table(page)
    keep(page, "mlflow-runs")
    assert list(found) == [*GRID, "sft"]  # neither the study's run, nor evaluations, nor the judge's training
    for run, cell in GRID.items():
        shown = {"algorithm": "grpo", "lambda": str(cell["lam"]), "seed": str(cell["seed"])}
        shown |= {name: str(value) for name, value in RESULTS[run].items()}
        assert found[run].items() >= shown.items()
    shown = {"algorithm": "sft", "lambda": "-", "seed": "3", "test_accuracy": "0.4", "judge_reward": "-"}
    assert found["sft"].items() >= shown.items()


def test_a_study_without_results_shows_its_last_validations(opened, before):
    page, _, _ = opened(before["Training runs"], width=LAPTOP)
    found = table(page)
    keep(page, "mlflow-runs-before")
    assert list(found) == [*GRID, "sft"]
    assert {name: found["grpo-lambda0.5-seed1"][name] for name in ("lambda", "seed")} == {"lambda": "0.5", "seed": "1"}
    assert found["grpo-lambda0.5-seed0"]["validation/greedy"] == "0.58"
    assert found["grpo-lambda0.5-seed0"]["validation/judge"] == "0.68"


@pytest.mark.parametrize("study", ["before", "after"])
def test_accuracy_and_judge_reward_of_every_rl_run_are_drawn_side_by_side(opened, request, study):
    page, _, _ = opened(request.getfixturevalue(study)["Curves of the RL runs"], width=LAPTOP)
    charts = [chart(page, metric) for metric in ("validation/greedy", "validation/judge")]
    for card, metric in zip(charts, ("validation/greedy", "validation/judge"), strict=True):
        expect(card.locator("path.js-line[style*='stroke-opacity: 1;']")).to_have_count(len(GRID), timeout=PATIENCE_MS)
        legend = set(re.findall(r"(\S+) \((\S+)\)", card.inner_text()))
        assert legend == {(run, metric) for run in GRID}
    keep(page, f"mlflow-curves-{study}")
    left, right = (card.bounding_box() for card in charts)
    assert left["y"] == right["y"] < 600 and left["x"] + left["width"] < right["x"] + right["width"] <= LAPTOP


def test_all_jobs_are_listed_unfolded_and_a_runs_page_has_its_curves(opened, after):
    page, _, _ = opened(after["All jobs"], width=LAPTOP)
    found = table(page)
    keep(page, "mlflow-jobs")
    assert {"evaluate sft", *GRID} <= set(found) and found["evaluate sft"]["rule"] == "evaluate"
    page.get_by_text("grpo-lambda0.0-seed0", exact=True).first.click()
    page.get_by_text("Model metrics", exact=True).first.click()
    page.locator("svg.main-svg path.js-line").first.wait_for(state="attached", timeout=PATIENCE_MS)
    keep(page, "mlflow-run")
