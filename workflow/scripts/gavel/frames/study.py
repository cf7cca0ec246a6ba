"""`load`, and the frames of a study."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from gavel.common.errors import InputError, first_line
from gavel.common.files import read_jsonl
from gavel.common.redaction import redact_config
from gavel.data.rollouts import FILE as ROLLOUTS_FILE
from gavel.evaluation.metrics import is_control, main_checkpoint
from gavel.frames import columns
from gavel.frames.columns import Columns, typed
from gavel.frames.files import (
    REQUIRED_COLUMNS,
    first_flag,
    read_object,
    read_runs,
    read_table,
    read_tables,
)
from gavel.study import layout
from gavel.study.finished import read_config
from gavel.study.layout import Layout
from gavel.study.status import status

CONTINUE = "run the command that started the study again; it continues where it stopped"
# The judge's metrics in `JudgeResults.calibration`, in order.
CALIBRATION_METRICS = (
    "n missing questions base_rate mean_score accuracy tpr fpr youden_j accuracy_best threshold_best auc auc_within "
    "auc_within_questions margin_within ece off_label_mass truncated"
).split()


def load(folder: str | Path, config: str | Path | None = None) -> "StudyResults":
    """The results of a study.

    A study that stopped early has the frames of what it has done so far. A frame is read when it is first asked for.

    Args:
        folder: the study's results folder, such as `results`; of a sweep, a variant's.
        config: the study's YAML file. Needed only for a study that has written no report yet, such as one that runs.

    Raises:
        InputError: no study has written its config into the folder, or the config is malformed.
    """
    return StudyResults(Layout(folder), redact_config(read_config(folder, config)))


class StudyResults:
    """The files of a results folder as frames; `load` makes one.

    A row for which a column has no value is missing there (`isna`), never 0. Every frame is read once: copy it before
    you change it. Each property and method raises `InputError` if its file is missing, with what to do, or malformed.

    Attributes:
        files: where the study's files are.
        config: the resolved config, with all defaults; passwords and keys in it are redacted.
    """

    def __init__(self, files: Layout, config: dict[str, Any]):
        self.files, self.config = files, config

    def __repr__(self) -> str:
        return f"<results of the study {self.config['study']!r} in {self.files.root}>"

    @cached_property
    def runs(self) -> pd.DataFrame:
        """The runs of the study: the baseline first, then the grid, then the controls.

        Columns:
            run (str): name, such as `grpo-lambda0.5-seed0`
            kind (str): `baseline`, `grid` or `control`
            algorithm (str): such as `grpo`; `sft`, or `base` for the student as it is
            lambda (float64): weight of the verifiable reward on labelled questions, from 0 to 1; missing unless `grid`
            seed (Int64): seed of the training; missing for `base`
            control (str): a control's name; missing for the others
            status (str): `finished`, `running`, `failed`, `stopped` (killed) or `waiting`
            reason (str): last line of the log of a run that failed
            steps (Int64): steps taken; missing unless finished, as all columns up to `seconds`
            best_step (Int64): the best step by validation
            ended_step (Int64): the step after which a validation action ended the run early; missing if none did
            ended_by (str): this action, such as `stop`
            collapsed_step (Int64): the first validation step at which the monitor flagged a collapse
            labels (Int64): labelled questions whose gold answers the run could use
            unlabeled (Int64): unlabelled questions that it could use
            completions (Int64): completions that got a reward
            seconds (float64): duration of the training in seconds
            checkpoint (str): the main checkpoint, `last` or `best`, on which the next columns are measured
            accuracy (float64): value of the config's primary metric on its test set, from 0 to 1
            accuracy_low, accuracy_high (float64): its 95 % interval over questions
            questions (Int64): number of questions of the test set
        """
        found = read_runs(self.files, self.config)
        monitors = read_tables({run: self.files.runs(run).monitor for run in found})
        states = {run.name: run.state for run in status(self.files.root, self.config).runs}
        measured = self._primary_metric()
        rows = []
        for run, about in found.items():
            ended = about.get("ended") or {}
            state = about["status"] if Path(self.files.runs(run).run_json).exists() else states.get(run, "waiting")
            monitor = monitors.get(run, pd.DataFrame())
            rows.append(
                about
                | {"kind": self._kind(run, about), "status": state, "checkpoint": main_checkpoint(run)}
                | {"reason": about.get("reason") if state == "failed" else None}
                | {"ended_step": ended.get("step"), "ended_by": ended.get("action")}
                | {"collapsed_step": first_flag(monitor, "collapsed")}
                | measured.get(run, {})
            )
        return typed(rows, columns.RUNS)

    def _kind(self, run: str, about: Any) -> str:
        return "baseline" if run == layout.baseline(self.config) else "control" if is_control(about) else "grid"

    def _primary_metric(self) -> dict[str, dict[str, Any]]:
        """Run -> its columns of the primary metric; empty before any run was evaluated."""
        if not Path(self._tables.metrics).exists():
            return {}
        wanted = layout.primary(self.config)
        rows = self.metrics
        rows = rows[(rows.set == wanted["set"]) & (rows.metric == wanted["metric"]) & (rows.k == wanted["k"])]
        rows = rows[rows.checkpoint == rows.run.map(main_checkpoint)]
        return {
            str(row.run): {
                "accuracy": row.value,
                "accuracy_low": row.low,
                "accuracy_high": row.high,
                "questions": row.n,
            }
            for row in rows.itertuples()
        }

    @property
    def _tables(self) -> Layout:
        """Where metrics.csv is; of a study that stopped early, beside its unfinished report."""
        unfinished = not Path(self.files.metrics).exists() and Path(self.files.unfinished.metrics).exists()
        return self.files.unfinished if unfinished else self.files

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Every metric of every run on every test set, with its interval (`metrics.csv`; docs/reference/metrics.md).

        Columns:
            run (str): the run
            checkpoint (str): `last` or `best` (by validation); the main one is in `runs`
            algorithm (str), lambda (float64): as in `runs`
            seed (Int64): seed of the training; missing for the baseline
            control (str): as in `runs`
            set (str): the test set
            metric (str): such as `greedy`, `maj`, `pass`, `best_of`, `tokens`, `pdr`, or `greedy_kind:<kind>`
            k (int64): number of samples for each question that the metric uses; 1 for `greedy`
            value (float64): mean over questions: a fraction from 0 to 1; of `tokens`, tokens per response
            low, high (float64): 95 % interval, questions resampled, in the unit of `value`
            n (int64): number of questions
        """
        return self._table(self._tables.metrics, columns.METRICS)

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """Paired differences between runs on the same questions, and within runs (`comparisons.csv`).

        Columns:
            run (str): the first run; its name lacks the seed where the primary comparison covers several
            checkpoint (str): of the first run
            baseline (str): the second run, which is subtracted
            set (str): the test set
            metric (str): as in `metrics`, or two of a run's own, such as `maj-greedy`
            k (int64): as in `metrics`
            difference (float64): first minus second; fractions, so 0.01 is one percentage point
            low, high (float64): its 95 % interval by a paired bootstrap over questions
            p (float64): two-sided p-value of this bootstrap
            n (int64): number of questions
            p_adjusted (float64): corrected by Holm's method over the family; the primary comparison's is its p
            primary (bool): whether this is the comparison that the config named before any run
            gained, lost (Int64): questions that only the first, only the second run answers correctly
            mcnemar_p (float64): McNemar's exact p-value; missing, as the last two, unless every value is 0 or 1
        """
        return self._table(self._tables.comparisons, columns.COMPARISONS)

    @cached_property
    def seeds(self) -> pd.DataFrame:
        """Means over seeds of an algorithm, λ and control (`seeds.csv`); no rows with a single seed.

        Columns:
            algorithm (str), lambda (float64), control (str): as in `runs`
            set, metric (str), k (int64): as in `metrics`
            seeds (int64): number of runs
            n (int64): number of questions
            value (float64): mean over seeds and questions
            low, high (float64): 95 % interval over questions and seeds
            lowest, highest (float64): the lowest and highest run's value
            difference (float64): from the baseline; missing if it was not compared, as the next four
            difference_low, difference_high (float64): its 95 % interval over questions and seeds
            p (float64): two-sided p-value
            p_adjusted (float64): corrected by Holm's method
        """
        return self._table(self._tables.seeds, columns.SEEDS)

    def samples(self, run: str | None = None, set: str | None = None) -> pd.DataFrame:
        """Scored responses to test questions, of the main checkpoints: one row a response.

        There may be many: name a run, a test set or both to read only these. Each call reads the files again.

        Args:
            run: a name as in `runs`; None for every run that was evaluated.
            set: a test set of the config; None for all.

        Columns:
            run, set (str): the run and the test set
            id (str): the question's id
            sample (int64): -1 for the greedy response; sampled ones count from 0
            temperature (float64): of sampling
            response (str): the text
            answer (str): its answer; missing if none was found
            correct (boolean): the verifier's verdict; missing if the program did not run
            judge (float64): the judge's score; missing if it gave none or was not asked (`evaluation.judge`)
            elo (float64): rating among the question's samples; missing unless `evaluation.best_of` has it
            knockout (boolean): whether the sample won the knockout; missing unless `evaluation.best_of` has it
            tokens (int64): length of the response in tokens
            finished (bool): whether it ended before the limit
            question, gold (str): the question and its gold answer
            kind (str): how the question was perturbed, or its subject; missing for others
            seed_id (str): id of the question that it was made from; missing for others
        """
        runs, sets = list(layout.runs(self.config)), list(self.config["data"]["tests"])
        _check_known("run", run, runs)
        _check_known("set", set, sets)
        wanted = [(one, name) for one in runs if run in (None, one) for name in sets if set in (None, name)]
        paths = {key: Path(self.files.evaluation(*key).samples) for key in wanted}
        there = [(key, path) for key, path in paths.items() if path.exists()]
        if not there:
            raise InputError(f"{paths[wanted[0]]}: no such file; it was not evaluated yet: {CONTINUE}")
        parts = [
            typed([{"run": key[0], "set": key[1]} | row for row in read_jsonl(path)], columns.SAMPLES)
            for key, path in there
        ]
        return pd.concat(parts, ignore_index=True)

    def rollouts(self, run: str) -> pd.DataFrame:
        """Every completion that a run of RL was rewarded for: one row a completion, in the order of training.

        Each call reads the file again.

        Args:
            run: of the grid, or a control that RL trains.

        Columns:
            step (int32): of the run, counted from 1
            group (int32): place of the question in the step, counted from 0; a question can occur twice
            id (str): the question's id
            labeled (bool): whether the question comes from the labelled pool
            response (str): the completion
            tokens (int32): its length in tokens
            finished (bool): whether it ended before the limit
            lambda (float64): λ in this step
            verifiable (float64): verifiable reward; missing without a label, at λ = 0, or if the program did not run
            judge (float64): the judge's score before centring; missing at λ = 1 or if it could not be asked
            reward (float64): the mixed reward; missing if a part that it needs is missing
            terms (object): values of your own reward terms, a list in the order of `rl.reward_terms`
            advantage (float32): mean over the completion's tokens; 0 if the reward is missing or the group left out
            logp (float32): log-probability under the policy that sampled it, in nats, summed over tokens
            skipped (bool): whether the step's update was skipped, because too many rewards were missing
        """
        _check_known("run", run, list(layout.rl_runs(self.config)))
        path = Path(self.files.runs(run).rollouts, ROLLOUTS_FILE)
        if not path.exists():
            if Path(self.files.runs(run).run_json).exists():
                raise InputError(f"{path}: no such file; the run kept no rollouts: train it with rl.keep_rollouts: 1")
            raise InputError(f"{path}: no such file; the run has not finished: {CONTINUE}")
        try:
            return typed(pd.read_parquet(path), columns.ROLLOUTS)
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read ({first_line(error)}); train the run again") from None

    @cached_property
    def judge(self) -> "JudgeResults":
        """How good the judge was before RL, and after."""
        return JudgeResults(self.files, self.config)

    def _table(self, path: str, kinds: Columns) -> pd.DataFrame:
        if not Path(path).exists():
            raise InputError(f"{path}: no such file; the study has not written it yet: {CONTINUE}")
        return typed(read_table(path, list(kinds), REQUIRED_COLUMNS & kinds.keys()), kinds)


class JudgeResults:
    """The judge's calibration and verdicts, against the verifier's; `StudyResults.judge`."""

    def __init__(self, files: Layout, config: dict[str, Any]):
        self.files, self.config = files, config

    @cached_property
    def calibration(self) -> pd.DataFrame:
        """The judge's metrics on the baseline's samples of unperturbed validation questions: one row a metric.

        The metrics are those of `gavel.judge_eval.calibration.calibrate`. `auc_within` decides whether a judge is good
        enough: how often it prefers a correct response to an incorrect one to the same question. A pairwise judge has
        no `accuracy`, `auc`, `ece` and rates: their values are missing.

        Columns:
            metric (str): such as `accuracy`, `auc_within`, `tpr`, `fpr`, `youden_j`, `ece`, `n`
            value (float64): a fraction from 0 to 1, or a count (`n`, `missing`, `questions`, `truncated`)
            low, high (float64): 95 % interval over questions; missing where there is none
        """
        found = self._calibration()
        rows = []
        for name in CALIBRATION_METRICS:
            low, high = found.get(f"{name}_ci95") or (None, None)
            rows.append({"metric": name, "value": found.get(name), "low": low, "high": high})
        return typed(rows, columns.CALIBRATION)

    @cached_property
    def reliability(self) -> pd.DataFrame:
        """The judge's probability against correctness, in bins of equal width; no rows for a pairwise judge.

        Columns:
            low, high (float64): the bin's limits, probabilities
            n (int64): number of responses in the bin
            judge (float64): the judge's mean probability that a response is correct; missing if the bin is empty
            correct (float64): fraction of them that is correct
            correct_low, correct_high (float64): its 95 % interval over questions
        """
        bins = [
            row | dict(zip(("correct_low", "correct_high"), row["ci95"] or (None, None), strict=True))
            for row in self._calibration()["reliability"]
        ]
        return typed(bins, columns.RELIABILITY)

    @property
    def too_weak(self) -> str | None:
        """Why the judge is too weak to train on by the config's limits, as one sentence; None if it is not."""
        reason: str | None = self._calibration()["too_weak"]
        return reason

    def verdicts(self, run: str | None = None) -> pd.DataFrame:
        """The judge's verdicts on samples of validation questions: one row a response.

        Args:
            run: an RL run, for samples of its last step; None for samples of the baseline, the judge's calibration.

        Columns:
            id (str): the question's id
            kind (str): how the question was perturbed; missing for an unperturbed one
            question, response (str): what the judge read
            tokens (int64): length of the response in tokens
            finished (bool): whether it ended before the limit
            steps (int64): number of steps of the response
            correct (bool): the verifier's verdict
            judge (float64): the judge's score; missing if it gave none
            probability (float64): the judge's probability that the response is correct
            says_right (boolean): whether the judge accepts the response
            phrasings (object): the probability with each phrasing of the prompt, a list
            off_label_mass (float64): probability on other tokens than the label words
            truncated (bool): whether the judging prompt was cut
            opponents (Int64): distinct responses that it was compared with; of a pairwise judge, as the next two
            first (float64): mean probability that the response shown first wins; 0.5 without position bias
            flipped (float64): fraction of the comparisons whose winner changes with the order
            reference (float64): the judge's probability if it reads the gold answer; missing unless it was asked so
        """
        if run is not None:
            _check_known("run", run, list(layout.grid_runs(self.config)))
        path = self.files.judge.verdicts if run is None else self.files.judge.run_verdicts(run)
        if not Path(path).exists():
            raise InputError(f"{path}: no such file; the judge was not asked yet: {CONTINUE}")
        return typed(_flat(read_jsonl(path)), columns.VERDICTS)

    def _calibration(self) -> dict[str, Any]:
        path = Path(self.files.judge.calibration)
        if not path.exists():
            raise InputError(f"{path}: no such file; the judge was not calibrated yet: {CONTINUE}")
        return read_object(path)


def _flat(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        row | (row.get("compared") or {}) | {"reference": (row.get("reference") or {}).get("probability")}
        for row in rows
    ]


def _check_known(name: str, value: str | None, known: Sequence[str]) -> None:
    if value is not None and value not in known:
        raise InputError(f"{name}: {value!r} is not one of this study's; choose from {', '.join(known)}")
