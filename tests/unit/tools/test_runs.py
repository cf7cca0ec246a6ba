"""docs/project/what-has-been-run.md has the rows that tests recorded, and no others."""

import re

import pytest

import write_runs
from gavel.common.paths import ROOT
from helpers import record_runs

pytest_plugins = ("pytester",)

FOLDER = "tests/unit"
FILE = f"{FOLDER}/test_it"

TESTS = """
    import pytest

    def test_passes(record_run):
        record_run(engine="transformers", algorithm="grpo", lora=True)
        record_run(algorithm="sft", versions={"torch": "1.0"})

    def test_fails(record_run):
        record_run(algorithm="ppo")
        assert False

    def test_is_skipped(record_run):
        record_run(algorithm="ppo")
        pytest.skip("no GPU")

    def test_runs_nothing():
        pass
"""


def test_the_page_is_made_from_the_records():
    assert write_runs.page(write_runs.records()) == write_runs.PAGE.read_text(), "run `make record-runs`"


def test_every_record_is_of_a_test_that_records():
    for row in write_runs.records():
        path, _, name = row["test"].partition("::")
        function = rf"^ *def {re.escape(name.partition('[')[0])}\((?:.|\n(?!\S))*?record_run"
        assert re.search(function, (ROOT / path).read_text(), re.MULTILINE), f"{row['test']}: drop its records"


@pytest.fixture
def records(pytester, monkeypatch):
    """Runs the tests above with options; gives the records that are then there."""
    monkeypatch.setattr(write_runs, "RECORDS", pytester.path / "records")
    pytester.makepyfile(**{FILE: TESTS})

    def run(*options):
        pytester.runpytest_inprocess("-p", "helpers.record_runs", "-p", "no:xdist", *options)
        return write_runs.records()

    return run


def test_a_test_that_passes_leaves_its_records_once(records):
    assert records() == []
    found = records("--record-runs")
    assert {row["test"] for row in found} == {f"{FILE}.py::test_passes"}
    assert [(row["algorithm"], row["lora"]) for row in found] == [("grpo", True), ("sft", False)]
    assert found[1]["versions"]["torch"] == "1.0"
    assert len(found[0]["commit"]) == 40 and re.fullmatch(r"\d{4}-\d\d-\d\d", found[0]["date"])
    assert records("--record-runs") == found
    assert write_runs.run_of(found[0]).device == "CPU"


@pytest.mark.parametrize(
    "wrong", [{"engine": "vlm"}, {"algorithm": "gpro"}, {"distributed": "zero"}], ids=lambda wrong: next(iter(wrong))
)
def test_a_name_that_is_mistyped_is_refused(record_run, wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"{name} '{wrong[name]}' is not one of"):
        record_run(**{"algorithm": "grpo"} | wrong)


def test_the_version_of_an_engine_in_another_environment_is_asked_for(record_run, monkeypatch):
    monkeypatch.setitem(record_runs.PACKAGES, "vllm-server", "not-installed-here")
    with pytest.raises(ValueError, match="not-installed-here is not installed here; name its version in `versions`"):
        record_run(engine="vllm-server", algorithm="judge")


def test_equal_runs_are_one_row_with_the_latest_date():
    run = {"engine": "transformers", "algorithm": "grpo", "distributed": None, "processes": 1, "lora": True}
    run |= {"resume": False, "chat": False, "model": "tiny", "device": "CPU"}
    row = {"test": f"{FILE}.py::test_a[1]", **run, "commit": "a" * 40, "changed": False}
    early = row | {"date": "2026-11-01", "versions": {"torch": "2.12.0"}}
    late = row | {"test": f"{FILE}.py::test_b", "date": "2026-11-02", "versions": {"torch": "2.13.0"}}
    text = write_runs.page([late, early])
    (line,) = (line for line in text.splitlines() if "`grpo`" in line)
    assert f"2026-11-02 | (1) | [test_b](../../{FILE}.py)" in line
    assert "1. torch 2.13.0; commit aaaaaaaaaaaa" in text and "2.12" not in text
