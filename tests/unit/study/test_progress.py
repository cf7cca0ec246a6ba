"""The share of the work that is done, and the remaining time."""

import logging

import pytest

from gavel.common.paths import ROOT
from gavel.study import config_files, progress, resolve
from gavel.study.progress import Job, Progress

STUDY = resolve.resolve(config_files.read(str(ROOT / "config/config.yaml")), ROOT)

JOBS = [
    Job(1, "train_sft"),
    Job(2, "train_rl", "grpo-lambda0.5-seed0"),
    Job(3, "train_rl", "ppo-lambda0.5-seed0"),
    Job(4, "compute_metrics"),
    Job(5, "all"),
]


def test_jobs_weigh_what_they_cost():
    found = progress.weights(JOBS, {"": STUDY})
    assert sum(found.values()) == pytest.approx(1)
    assert found[3] > found[2] > found[1] > found[4] == found[5] > 0


def test_a_variants_jobs_are_found_by_the_prefix_of_their_rules():
    variant = [Job(job.number, f"weak_{job.rule}", job.of) for job in JOBS]
    found = progress.weights(variant, {"strong_": STUDY, "weak_": STUDY})
    assert found == pytest.approx(progress.weights(JOBS, {"": STUDY}))


def test_without_an_estimate_all_jobs_weigh_the_same(monkeypatch):
    def unknown(study, assumed):
        raise OSError("no such model")

    monkeypatch.setattr(progress, "costs", unknown)
    assert list(progress.weights(JOBS, {"": STUDY}).values()) == pytest.approx([0.2] * 5)


def event(name, **values):
    record = logging.LogRecord("snakemake", logging.INFO, "", 0, None, (), None)
    record.__dict__ |= {"event": name} | values
    return record


def test_a_finished_job_is_a_line_with_share_and_remaining_time():
    now, shown = [100.0], []
    listener = Progress(JOBS, {1: 0.02, 2: 0.48, 3: 0.4, 4: 0.05, 5: 0.05}, shown.append, clock=lambda: now[0])
    now[0] = 110.0
    assert not listener.filter(event("job_finished", job_id=1))
    assert not listener.filter(event("progress", done=1, total=5))
    now[0] = 160.0
    listener.filter(event("job_finished", job_id=2))
    for number in (3, 4, 5):
        listener.filter(event("job_finished", job_id=number))
    assert shown == [
        "[....................]   2%, 1 of 5 jobs: train_sft done",
        "[##########..........]  50%, 2 of 5 jobs: train_rl grpo-lambda0.5-seed0 done, about 60 s left",
        "[##################..]  90%, 3 of 5 jobs: train_rl ppo-lambda0.5-seed0 done, about 10 s left",
        "[###################.]  95%, 4 of 5 jobs: compute_metrics done, about 10 s left",
        "[####################] 100%, 5 of 5 jobs: all done",
    ]


def test_other_lines_of_snakemake_stay():
    listener = Progress(JOBS, {}, print)
    stays = logging.LogRecord("snakemake", logging.INFO, "", 0, "Error in rule train_rl:", (), None)
    routine = logging.LogRecord("snakemake", logging.INFO, "", 0, "Select jobs to execute...", (), None)
    assert listener.filter(stays) and listener.filter(event("job_error", jobid=2))
    assert not listener.filter(routine)


@pytest.mark.parametrize(("seconds", "shown"), [(3, "10 s"), (44, "40 s"), (720, "12 min"), (12_600, "3.5 h")])
def test_durations(seconds, shown):
    assert progress.duration(seconds) == shown
