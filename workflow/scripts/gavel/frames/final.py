"""What MLflow's list of runs shows of a study's results: two numbers for each run."""

from typing import Any

from gavel.evaluation.metrics import main_checkpoint
from gavel.frames.files import read_table, read_tables
from gavel.study import layout
from gavel.study.layout import Layout
from gavel.tracking.views import JUDGE_REWARD, TEST_ACCURACY

DIGITS = 4  # as many as a narrow column shows; MLflow does not round


def final_values(files: Layout, study: dict[str, Any]) -> dict[str, dict[str, float]]:
    """The results of each run, as far as they are known.

    Args:
        study: the resolved config.

    Returns:
        Run -> `test_accuracy`, greedy accuracy of the main checkpoint on the primary comparison's test set; and
        `judge_reward`, the judge's mean score in the last validation, with a pairwise judge its win rate.

    Raises:
        InputError: a file of the study is malformed.
    """
    rows = read_table(files.metrics, ["run", "checkpoint", "set", "metric", "value"])
    rows = rows[(rows.set == layout.primary(study)["set"]) & (rows.metric == "greedy")]
    rows = rows[rows.checkpoint == rows.run.map(main_checkpoint)]
    found = {run: {TEST_ACCURACY: value} for run, value in zip(rows.run.tolist(), rows.value.tolist(), strict=True)}
    monitors = read_tables({run: files.runs(run).monitor for run in layout.runs(study)})
    for run, monitor in monitors.items():
        judged = monitor["judge"].dropna().tolist() if "judge" in monitor else []
        if judged:
            found.setdefault(run, {})[JUDGE_REWARD] = judged[-1]
    return {run: {name: round(value, DIGITS) for name, value in values.items()} for run, values in found.items()}
