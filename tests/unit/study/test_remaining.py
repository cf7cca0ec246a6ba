"""How much of a study is done, and how long the rest may take."""

import pytest

from gavel.study.remaining import Work, active_seconds, weights, work
from gavel.study.schema.study import load
from gavel.study.status import Job, Run, Status, expected
from helpers.small import STUDY

FOLDER = "results/small"
RUN = "grpo-lambda0.5-seed0"


def job(rule: str, of: str = "", state: str = "done", *attempts: tuple[float, float]) -> Job:
    return Job(rule, of, state, "a.log", None, attempts)


def study(*jobs: Job, runs: tuple[Run, ...] = (), folder: str = FOLDER) -> Status:
    return Status(folder, [], list(runs), list(jobs), [], None)


def test_the_weights_of_all_jobs_of_all_studies_add_up():
    config = load(STUDY)
    number = sum(map(len, expected(config).values()))
    one, two = weights({FOLDER: config}), weights({"a": config, "a_b": config})
    assert len(one) == number and sum(one.values()) == pytest.approx(1)
    assert len(two) == 2 * number and sum(two.values()) == pytest.approx(1)
    assert one[FOLDER, "train_rl", RUN] > one[FOLDER, "audit_data", ""]
    for _, rule, of in one:
        assert two["a", rule, of] == pytest.approx(two["a_b", rule, of])


PARTS = {(FOLDER, "train_sft", ""): 0.2, (FOLDER, "train_rl", RUN): 0.7, (FOLDER, "score", RUN): 0.1}


def test_finished_jobs_and_steps_count():
    seen = study(job("train_sft", "", "done", (0, 20)), job("train_rl", RUN, "running", (20, 50)))
    assert work(PARTS, [seen]) == Work(3, 1, pytest.approx(0.2), pytest.approx(200))
    seen = study(*seen.jobs, runs=(Run(RUN, "running", 2, 7, None),))
    assert work(PARTS, [seen]) == Work(3, 1, pytest.approx(0.4), pytest.approx(75))


def test_the_baseline_s_steps_count_too():
    seen = study(job("train_sft", "", "stopped", (0, 10)), runs=(Run("sft", "stopped", 6, 12, None),))
    assert work(PARTS, [seen]) == Work(3, 0, pytest.approx(0.1), pytest.approx(90))


def test_jobs_of_an_earlier_config_and_other_jobs_that_failed_do_not_count():
    seen = study(job("train_rl", "ppo-lambda0-seed0"), job("score", RUN, "failed", (0, 10)))
    assert work(PARTS, [seen]) == Work(3, 0, 0, None)


def test_little_progress_gives_no_time_and_all_of_it_none_left():
    seen = study(job("score", RUN, "done", (0, 10)))
    assert work({**PARTS, (FOLDER, "train_rl", RUN): 70.0}, [seen]).seconds_left is None
    done = work(PARTS, [study(*(job(rule, of) for _, rule, of in PARTS))])
    assert done == Work(3, 3, 1, 0) and str(done) == "3 of 3 jobs done, 100% of the estimated work"


def test_several_studies_are_counted_together_and_apart():
    parts = {**PARTS, **{("other", rule, of): weight for (_, rule, of), weight in PARTS.items()}}
    first, second = study(job("train_sft", "", "done", (0, 10))), study(folder="other")
    assert work(parts, [first, second]) == Work(6, 1, pytest.approx(0.1), pytest.approx(90))
    assert work(parts, [second]) == Work(3, 0, 0, None)


def test_it_says_so_in_words():
    assert str(Work(20, 2, 0.164, 754)) == "2 of 20 jobs done, 16% of the estimated work; about 13 min left"
    assert str(Work(20, 0, 0.001, None)) == "0 of 20 jobs done, 0% of the estimated work"


def test_overlaps_count_once_and_gaps_not_at_all():
    assert active_seconds([(100, 110), (0, 10), (5, 20), (6, 7)]) == 30
    assert active_seconds([]) == 0
    assert active_seconds([(10, 5)]) == 0
