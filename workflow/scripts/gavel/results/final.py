"""What MLflow's list of runs shows of a study's results: two numbers for each run."""

from gavel.evaluation.metrics import main_checkpoint
from gavel.results.files import read_tables
from gavel.results.study import StudyResults
from gavel.study import layout
from gavel.tracking.views import JUDGE_REWARD, TEST_ACCURACY

DIGITS = 4  # as many as a narrow column shows; MLflow does not round


def final_values(results: StudyResults) -> dict[str, dict[str, float]]:
    """The results of each run, as far as they are known.

    Returns:
        Run -> `test_accuracy`, greedy accuracy of the main checkpoint on the primary comparison's test set; and
        `judge_reward`, the judge's mean score in the last validation, with a pairwise judge its win rate.

    Raises:
        InputError: a file of the study is malformed, or there is no metrics.csv.
    """
    rows = results.metrics
    rows = rows[(rows.set == layout.primary(results.config)["set"]) & (rows.metric == "greedy")]
    rows = rows[rows.checkpoint == rows.run.map(main_checkpoint)]
    found = {run: {TEST_ACCURACY: value} for run, value in zip(rows.run.tolist(), rows.value.tolist(), strict=True)}
    monitors = read_tables({run: results.files.runs(run).monitor for run in layout.runs(results.config)})
    for run, monitor in monitors.items():
        judged = monitor["judge"].dropna().tolist() if "judge" in monitor else []
        if judged:
            found.setdefault(run, {})[JUDGE_REWARD] = judged[-1]
    return {run: {name: round(value, DIGITS) for name, value in values.items()} for run, values in found.items()}
