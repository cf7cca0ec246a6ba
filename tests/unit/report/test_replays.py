"""The report's table and figures of section `replay`."""

import pytest

from gavel.replay.study import ReplayedRun, write_replay
from gavel.report.results import load
from gavel.report.sections.replays import replay_figures, replays_table
from helpers import fake_results

RUN = "grpo-lambda0-seed0"
SUMMARY = {
    "run": RUN,
    "steps": 2,
    "completions": 64,
    "missing": 0.25,
    "largest_difference": 0.9,
    "agreement": 0.81,
    "correlation": -0.5,
    "auc_original": (0.9, 0.8, 0.95),
    "auc_replayed": None,
    "diverges_at": 3,
}
STEP = {
    "step": 3,
    "completions": 32,
    "missing": 0.0,
    "original": 0.5,
    "replayed": 0.4,
    "correct": 0.3,
    "agreement": 0.8,
    "correlation": -0.5,
    "auc_original": 0.9,
    "auc_replayed": None,
}


@pytest.fixture
def results(tmp_path):
    config = fake_results.build(tmp_path, {"main": 60}, samples=2, algorithms=("grpo",), lambdas=("0", "0.5"))
    found = load(tmp_path, config | {"replay": {"judges": {"other": "a/model", "late": "b.yaml"}, "every": 1}})
    write_replay([ReplayedRun(SUMMARY, [STEP])], "judge other", found.files.replay("other"))
    return found


def test_the_table_has_each_run_of_each_replay_that_is_there(results):
    (row,) = replays_table(results).rows
    assert [cell.text for cell in row] == [
        "other", "GRPO λ\u00a0=\u00a00", "64", "25.0", "0.810", "−0.500", "0.900", "–", "3",
    ]  # fmt: skip
    assert row[6].sub == "0.800–0.950"


def test_each_replay_has_a_figure_with_its_steps(results):
    (figure,) = replay_figures(results)
    assert figure.name == "replay-other"
    assert figure.panels[0][1].startswith("<svg") or "<svg" in figure.panels[0][1]
    assert figure.data.to_dict("records")[0]["step"] == 3
