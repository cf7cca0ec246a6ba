"""`gavel watch`: a page about a study while it runs."""

import os
import re
from pathlib import Path

import pytest
import yaml

from gavel.cli import watch
from gavel.cli.main import main
from gavel.common.files import write_text
from gavel.report import live
from gavel.study.rules import RULES
from gavel.study.schema.study import load
from gavel.study.status import expected
from helpers.half_way import RUN, at, log, write_half_way
from helpers.small import STUDY

PAGE = Path("results/small/live.html")


@pytest.fixture(autouse=True)
def half_way(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_half_way()


def written(*arguments: str) -> str:
    assert main(["watch", *arguments, "--once"]) == 0
    return PAGE.read_text()


def text(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page[page.index("<main>") :]).split())


def finish() -> None:
    """Every job of the study is done, and its report is written."""
    for rule, values in expected(load(STUDY)).items():
        for of in values:
            log(re.sub(r"\{\w+\}", of, RULES[rule].log), at("a job: done"))
    write_text(Path("results/small/report.html"), "")


def test_the_page_has_progress_problems_runs_and_curves(capsys):
    page = written("small.yaml")
    assert capsys.readouterr().out == f"open {PAGE}\n"
    shown = text(page)
    assert "Running: 1 job at the moment. 2 of 20 jobs done, 16% of the estimated work; about 10 s left." in shown
    assert "train_rl ppo-lambda0.5-seed0 failed: out of luck" in shown
    assert 'href="logs/rl/ppo-lambda0.5-seed0.log"' in page
    assert f"{RUN} running 3 of 4 2 25.0 0.12" in shown
    assert "sft done 12 of 12 12 50.0" in shown
    assert page.count("<svg") == 2, "curves of SFT and of the run that trains"
    assert shown.index(f"{RUN} (running)") < shown.index("sft (done)")


def test_without_the_config_there_is_no_estimate():
    shown = text(written("results/small"))
    assert "Running: 1 job at the moment." in shown and "estimated work" not in shown


def test_it_reloads_itself_only_while_it_is_written_again(monkeypatch):
    assert 'http-equiv="refresh"' not in written("small.yaml")
    seen = []

    def wait(seconds: float) -> None:
        seen.append((seconds, 'http-equiv="refresh" content="7"' in PAGE.read_text()))
        if len(seen) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(watch.time, "sleep", wait)
    assert main(["watch", "small.yaml", "--every", "7"]) == 0
    assert seen == [(7, True), (7, True)]
    assert 'http-equiv="refresh"' not in PAGE.read_text()


def test_it_ends_when_the_study_has_finished(monkeypatch, capsys):
    monkeypatch.setattr(watch.time, "sleep", lambda seconds: finish())
    assert main(["watch", "small.yaml"]) == 0
    page = PAGE.read_text()
    assert "Finished: every job is done." in text(page) and 'href="report.html"' in page
    assert 'http-equiv="refresh"' not in page
    assert capsys.readouterr().err == "finished\n"


def test_a_report_of_an_earlier_config_is_not_the_end():
    write_text(Path("results/small/report.html"), "")
    shown = text(written("small.yaml"))
    assert "Running: 1 job" in shown and "(perhaps of an earlier config)" in shown


def test_a_study_that_stopped_says_how_to_go_on():
    path = Path(f"results/small/logs/rl/{RUN}.log")
    path.write_text(path.read_text().replace(f"process {os.getpid()}", "process 4000000000"))
    os.utime(path, (0, 0))
    shown = text(written("small.yaml"))
    assert "No job is running. 1 job has failed. The same command continues the study." in shown


def test_a_sweep_has_one_page_beside_its_variants():
    variants = {"first": {}, "second": {"rl": {"algorithms": ["grpo"]}}}
    Path("small.yaml").write_text(yaml.safe_dump(STUDY | {"sweep": {"variants": variants}}))
    Path("results/small/first").mkdir()
    for folder in ("logs", "state", "runs"):
        Path("results/small", folder).rename(Path("results/small/first", folder))
    shown = text(written("small.yaml"))
    assert f"first: {RUN} running 3 of 4" in shown and f"second: {RUN} waiting" in shown
    assert text(written("results/small")).count(f"first: {RUN} running") == 1


def test_text_from_logs_is_escaped():
    log("rl/ppo-lambda0.5-seed0", at("error: <script>alert(1)</script>"))
    page = written("small.yaml")
    assert "<script>alert(1)" not in page and "&lt;script&gt;alert(1)" in page


def test_many_runs_are_drawn_up_to_a_limit(monkeypatch):
    monkeypatch.setattr(live, "CURVES", 1)
    page = written("small.yaml")
    assert page.count("<svg") == 1 and "Shown: 1 of 2 runs" in text(page)


@pytest.mark.parametrize("name", ["none", "none.yaml"])
def test_where_nothing_has_run_is_one_line(name, capsys):
    assert main(["watch", name]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_curve_is_drawn_of_what_a_run_measures():
    """SFT's monitor.csv has the columns of sampling, which it does not do."""
    page = written("small.yaml")
    sft = page[page.index("sft (done)</h4>") :]
    assert "validation accuracy" in sft[: sft.index("</svg>")]
