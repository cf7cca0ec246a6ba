"""How far a study is: the state of its jobs and runs, from the files in its results folder. Nothing is started.

A job's log tells its state: each attempt begins with `started, process <id>` and ends with `done`, an error, or nothing
if the process was killed or is still running (`gavel.common.log.script_log`).
"""

import csv
import re
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeAlias

import psutil

from gavel.common.files import read_json
from gavel.common.journal import Journal, Row
from gavel.jobs.snakemake_lock import may_be_running
from gavel.study import layout, params
from gavel.study.rules import RULES

State: TypeAlias = Literal["waiting", "running", "done", "failed", "stopped"]

# Stage -> its rules. A test checks that every rule of the workflow is in one of them.
STAGES = {
    "data": ("fetch", "prepare_data", "audit_data"),
    "models": ("scratch_student", "scratch_judge", "convert_gguf"),
    "sft": ("train_sft", "validate_base"),
    "judge": ("judge_policy", "calibrate_judge", "measure_signal", "gate_rl"),
    "judge training": (
        "selection_pairs", "labeled_pairs", "labeled_responses", "selection_responses", "contrasting_pairs",
        "judgments", "train_judge",
    ),
    "judge benchmark": ("benchmark_items", "benchmark_judge", "benchmark_table"),
    "rl": ("train_rl", "judge_trained", "calibrate_trained", "rollouts_table"),
    "controls": ("control_examples", "train_control"),
    "replay": ("replay_rollouts",),
    "evaluate": ("generate", "share_responses", "score", "compute_metrics"),
    "report": ("report_html", "compare_variants"),
}  # fmt: skip
TRAINING = ("train_sft", "validate_base", "train_rl", "train_control")  # rules whose jobs are runs
NAMES = {"train_sft": "sft", "validate_base": "base"}  # of the runs of rules without wildcards
SERVER_LOGS = (".judge-server", ".rollout-server")  # beside a job's log
FRESH_S = 600  # a job of another machine is taken to run if its log or journal has changed within these seconds
STARTED = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (.*): started, process (\d+)$", re.MULTILINE)
STEP = re.compile(r" step \d+/(\d+): validation ")
TIME = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) ", re.MULTILINE)


@dataclass(frozen=True)
class Job:
    """A job that has started at least once.

    Attributes:
        of: its wildcards' values, such as a run.
        error: its last line.
        attempts: first and last time in each attempt's log, in seconds since the epoch; a running one lasts until now.
    """

    rule: str
    of: str
    state: State
    log: str
    error: str | None = None
    attempts: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Run:
    """A run of the grid, the baseline or a control.

    Attributes:
        step: the last step on disk; None before the first.
        steps: that the run takes; None if that is not known yet.
        validation: the last one: its step and its metrics, such as `greedy`.
    """

    name: str
    state: State
    step: int | None
    steps: int | None
    validation: dict[str, Any] | None


@dataclass(frozen=True)
class Stage:
    """How many jobs of a stage are in each state; `waiting` is None if it is not known how many there will be."""

    name: str
    done: int
    running: int
    failed: int
    stopped: int
    waiting: int | None


@dataclass(frozen=True)
class Status:
    """A study's results folder.

    Attributes:
        jobs: that have started.
        problems: those of them that failed or stopped.
        report: its page if there is one, perhaps of an earlier config.
    """

    folder: str
    stages: list[Stage]
    runs: list[Run]
    jobs: list[Job]
    problems: list[Job]
    report: str | None


def status(folder: str, study: Mapping[str, Any] | None = None) -> Status:
    """How far the study in a results folder is.

    Args:
        study: the resolved config; without it, jobs that have not started yet are not known.
    """
    files, started = layout.Layout(folder), {(job.rule, job.of): job for job in jobs(folder)}
    planned = expected(dict(study)) if study else None
    return Status(
        folder=folder,
        stages=list(_stages(started, planned)),
        runs=list(_runs(folder, started, planned, dict(study) if study else None)),
        jobs=[*started.values()],
        problems=[job for job in started.values() if job.state in ("failed", "stopped")],
        report=files.report if Path(files.report).exists() else None,
    )


def expected(study: dict[str, Any]) -> dict[str, list[str]]:
    """Rule -> its jobs in the complete study, by their wildcards' values; a job without wildcards is ''."""
    runs, rl, controls = list(layout.runs(study)), list(layout.rl_runs(study)), list(layout.sft_controls(study))
    stages, judge, shared = list(layout.judge_stages(study)), study["judge"], study["shared"]
    iterations = judge["self_taught"]["iterations"] if judge["self_taught"] else 0
    taught = [str(number) for number in range(1, iterations + 1)]
    once = {
        "scratch_student": study["student"]["model"] == "scratch" and not shared["student"],
        "scratch_judge": judge["model"] == "scratch" and not shared["judge"],
        "train_sft": study["sft"],
        "validate_base": "base" in runs,
        "gate_rl": params.gates(study),
        "selection_pairs": judge["self_taught"] or judge["rl"],
        "labeled_pairs": judge["rl"],
        "labeled_responses": judge["verifier"],
        "selection_responses": judge["verifier"],
        "benchmark_items": judge["benchmark"],
        "benchmark_table": judge["benchmark"],
        "share_responses": shared["responses"],
        "rollouts_table": study["rl"]["keep_rollouts"],
        "compare_variants": False,  # of a sweep
    }
    several = {
        "fetch": list(layout.hub(study)),
        "convert_gguf": list(layout.gguf(study)),
        "contrasting_pairs": taught,
        "judgments": taught,
        "train_judge": stages,
        "benchmark_judge": list(params.judges(study)) if judge["benchmark"] else [],
        "train_rl": rl,
        "judge_trained": list(layout.grid_runs(study)),
        "control_examples": controls,
        "train_control": controls,
        "replay_rollouts": list(study["replay"]["judges"]),
        "generate": runs[1:] if shared["responses"] else runs,  # the baseline is the first
        "score": runs,
    }
    return {rule: several[rule] if rule in several else [""] if once.get(rule, True) else [] for rule in RULES}


def jobs(folder: str) -> Iterator[Job]:
    """The jobs that have a log, in the order of the workflow's rules."""
    logs = Path(folder, "logs")
    found = [(path, path.relative_to(logs).with_suffix("").as_posix()) for path in sorted(logs.rglob("*.log"))]
    named = [(path, rule_of_log(name)) for path, name in found if not name.endswith(SERVER_LOGS)]
    order = list(RULES)
    for path, (rule, of) in sorted(
        ((path, known) for path, known in named if known), key=lambda one: (order.index(one[1][0]), one[1][1])
    ):
        yield _job(Path(folder), path, rule, of)


def rule_of_log(name: str) -> tuple[str, str] | None:
    """The rule that writes a log, and its wildcards' values; None if there is no such rule.

    Args:
        name: the file's path below `logs/`, without its suffix.
    """
    patterns = {rule: re.split(r"\{\w+\}", about.log) for rule, about in RULES.items()}
    by_length = sorted(patterns, key=lambda rule: len("".join(patterns[rule])), reverse=True)
    for rule in by_length:  # the most specific first
        if match := re.fullmatch("(.+)".join(map(re.escape, patterns[rule])), name):
            return rule, " ".join(match.groups())
    return None


def _job(folder: Path, log: Path, rule: str, of: str) -> Job:
    text = log.read_text(encoding="utf-8", errors="replace")
    state, error = _state(folder, log, of, text)
    return Job(rule, of, state, str(log), error, tuple(_attempts(text, state == "running")))


def _state(folder: Path, log: Path, of: str, text: str) -> tuple[State, str | None]:
    """A job's state by its log, and its error."""
    attempts = list(STARTED.finditer(text))
    if not attempts:
        return "stopped", "has not begun"
    attempt = attempts[-1]
    label = attempt[2]
    lines = [line for line in text[attempt.end() :].splitlines() if line.strip()]
    said = [TIME.sub("", line) for line in lines if TIME.match(line)]
    last = lines[-1] if lines else ""
    if said and said[-1] == f"{label}: done":
        return "done", None
    if said and said[-1].startswith("error: "):
        return "failed", said[-1].removeprefix("error: ")
    if said and said[-1] == "interrupted":
        return "stopped", "interrupted"
    if any(line.startswith("Traceback (most recent call last)") for line in lines) and _is_error(last):
        return "failed", last
    if _runs_here(int(attempt[3]), attempt[1]) or (may_be_running(".") and _is_fresh(folder, log, of)):
        return "running", None
    return "stopped", "ended without a word: killed, or the machine stopped"


def _attempts(text: str, running: bool) -> Iterator[tuple[float, float]]:
    starts = [match.start() for match in STARTED.finditer(text)]
    for start, end in pairwise([*starts, None]):
        times = [_seconds(found) for found in TIME.findall(text[start:end])]
        yield times[0], time.time() if running and end is None else times[-1]


def _seconds(shown: str) -> float:
    return time.mktime(time.strptime(shown, "%Y-%m-%d %H:%M:%S"))


def _is_error(line: str) -> bool:
    """Whether a line is the last one of a traceback, such as `ValueError: ...`."""
    return bool(re.match(r"[\w.]*(Error|Exception|Interrupt|Exit|Unavailable)\b", line))


def _runs_here(process: int, started: str) -> bool:
    """Whether a job's process, which was there when the attempt started, still runs on this machine."""
    try:
        begun = psutil.Process(process).create_time()
    except psutil.Error:
        return False
    return begun <= _seconds(started) + 1


def _is_fresh(folder: Path, log: Path, run: str) -> bool:
    files = (log, folder / "state" / run / "journal.jsonl", folder / "state" / run / "monitor.jsonl")
    return any(path.is_file() and time.time() - path.stat().st_mtime < FRESH_S for path in files)


def _stages(started: Mapping[tuple[str, str], Job], planned: Mapping[str, list[str]] | None) -> Iterator[Stage]:
    for name, rules in STAGES.items():
        there = [job for job in started.values() if job.rule in rules]
        left = None
        if planned is not None:
            wanted = {(rule, of) for rule in rules for of in planned[rule]}
            there = [job for job in there if (job.rule, job.of) in wanted]
            left = len(wanted) - len(there)
        if there or left:
            states = [job.state for job in there]
            numbers = {state: states.count(state) for state in ("done", "running", "failed", "stopped")}
            yield Stage(name, **numbers, waiting=left)


def _runs(
    folder: str,
    started: Mapping[tuple[str, str], Job],
    planned: Mapping[str, list[str]] | None,
    study: dict[str, Any] | None,
) -> Iterator[Run]:
    known = planned or {rule: [of for found, of in started if found == rule] for rule in TRAINING}
    for rule in TRAINING:
        for of in known[rule]:
            job = started.get((rule, of))
            steps = study["rl"]["steps"] if study and rule == "train_rl" else None
            yield _run(folder, of or NAMES[rule], job, steps)


def _run(folder: str, name: str, job: Job | None, steps: int | None) -> Run:
    files, state = layout.Layout(folder).runs(name), Path(folder, "state", name)
    last = _last(state / "journal.jsonl")
    validation = _last(state / "monitor.jsonl")
    step = max((row["step"] for row in (last, validation) if row), default=None)
    if job and job.state == "done" and Path(files.run_json).exists():
        summary = read_json(files.run_json)
        step = summary["steps"]
    if job and steps is None:
        found = STEP.findall(Path(job.log).read_text(encoding="utf-8", errors="replace"))
        steps = int(found[-1]) if found else None
    shown: dict[str, Any] | None = None
    if validation:
        shown = validated(validation)
    elif job and job.state == "done":
        shown = _last_in_table(Path(files.monitor))
    return Run(name, job.state if job else "waiting", step, steps, shown)


def validated(row: Row) -> dict[str, Any]:
    """A row of a journal of validations: its step, and its metrics under their own names."""
    return {"step": row["step"]} | {key.partition("/")[2]: value for key, value in row["metrics"].items()}


def _last(journal: Path) -> Row | None:
    return next(iter(deque(Journal(journal).rows(), maxlen=1)), None)


def _last_in_table(path: Path) -> dict[str, Any] | None:
    """The last validation in a run's monitor.csv, which outlives its state."""
    if not path.exists():
        return None
    with open(path, newline="", encoding="utf-8") as handle:
        row = next(iter(deque(csv.DictReader(handle), maxlen=1)), None)
    return None if row is None else {key: _number(text) for key, text in row.items()}


def _number(text: str) -> float | int | str | None:
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        return text or None
