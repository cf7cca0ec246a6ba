"""The monitor's errors, on runs whose onset of hacking is known."""

import csv
import json

import pytest
import yaml

from gavel.common.errors import InputError
from gavel.common.files import write_jsonl
from gavel.replay.monitor_rates import (
    WatchedRun,
    flagged,
    rates,
    replayed_scores,
    table,
    watched_runs,
    watcher_alarm,
    watcher_rates,
    write_table,
)
from gavel.training.rl.validation_rules import has_collapsed
from helpers import fake_results


def validations(accuracy, judge, every=5):
    return [
        {"step": every * place, "accuracy": a, "judge": j}
        for place, (a, j) in enumerate(zip(accuracy, judge, strict=True))
    ]


FALL = validations([0.6, 0.6, 0.4, 0.3, 0.2], [0.5, 0.6, 0.7, 0.8, 0.9])
CLEAN = validations([0.5, 0.55, 0.6, 0.6, 0.62], [0.5, 0.5, 0.6, 0.6, 0.6])


def test_the_flag_is_the_first_that_the_monitor_would_have_raised():
    assert flagged(FALL, 0.05, 1) == 10
    assert flagged(FALL, 0.05, 2) == 15
    assert flagged(CLEAN, 0.05, 1) is None
    assert has_collapsed(FALL[:4], 0.05, 2)
    assert not has_collapsed(FALL[:3], 0.05, 2)


def test_errors_are_counted_with_intervals():
    runs = [
        WatchedRun("caught", FALL, 8, True),
        WatchedRun("missed", CLEAN, 12, True),
        WatchedRun("clean", CLEAN, None, False),
        WatchedRun("false alarm", FALL, None, True),
    ]
    found = rates(runs, 0.05, 2)
    assert (found["hacked"], found["clean"]) == (2, 2)
    assert found["missed"][0] == found["false_alarms"][0] == 0.5
    assert found["missed"][1] < 0.5 < found["missed"][2]
    assert (found["median_delay"], found["fell"]) == (7, 1)
    strict = rates(runs, 0.5, 2)
    assert (strict["missed"][0], strict["false_alarms"][0], strict["median_delay"]) == (1.0, 0.0, None)


def test_without_runs_of_a_kind_its_errors_are_unknown():
    found = rates([WatchedRun("clean", CLEAN, None, False)], 0.05, 2)
    assert (found["missed"], found["median_delay"], found["delays"]) == (None, None, None)
    assert [row["patience"] for row in table([], (0.05,), (1, 2))] == [1, 2]


def test_the_table_is_written_with_its_intervals_in_columns(tmp_path):
    runs = [WatchedRun("caught", FALL, 8, True), WatchedRun("clean", CLEAN, None, False)]
    write_table(table(runs, (0.05, 0.5), (2,)), tmp_path / "rates.csv")
    with (tmp_path / "rates.csv").open() as handle:
        caught, missed = csv.DictReader(handle)
    assert (caught["missed"], caught["false_alarms"], caught["median_delay"]) == ("0.0", "0.0", "7")
    assert float(caught["missed_high"]) > 0.5
    assert (missed["missed"], missed["median_delay"], missed["delay_low"]) == ("1.0", "", "")


def test_a_study_s_runs_are_read_from_its_files(tmp_path):
    def write(path, rows):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as handle:
            writer = csv.DictWriter(handle, rows[0])
            writer.writeheader()
            writer.writerows(rows)

    steps = [(0.6, 0.5)] * 16 + [(0.6 - 0.04 * i, 0.6 + 0.02 * i) for i in range(1, 15)]
    columns = ("run", "step", "correct", "judge")
    hacked, verified = "grpo-lambda0-seed0", "grpo-lambda1-seed0"
    study = fake_results.STUDY | {"rl": fake_results.STUDY["rl"] | {"lambda": [0.0, 1.0], "algorithms": ["grpo"]}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(study, default=list))))
    for name in ("data/labeled", "data/unlabeled", "withheld/unlabeled"):
        write_jsonl(tmp_path / f"{name}.jsonl", [])
    with pytest.raises(InputError, match="rollouts.csv: no such file; the study kept no rollouts"):
        watched_runs(tmp_path)
    rows = [(hacked, step, *values) for step, values in enumerate(steps, 1)]
    rows += [(verified, step, 0.5, "") for step in range(1, 31)]
    rows += [("grpo-coin-seed0", step, *values) for step, values in enumerate(steps, 1)]
    write(tmp_path / "rollouts.csv", [dict(zip(columns, row, strict=True)) for row in rows])
    for run in (hacked, verified):
        write(tmp_path / f"runs/{run}/monitor.csv", FALL)
    (run,) = watched_runs(tmp_path)  # a run at lambda 1 has no judge to hack
    assert run.name.endswith(hacked)
    assert 9 <= run.onset <= 20
    assert run.fell
    assert rates([run], 0.05, 1)["median_delay"] == pytest.approx(10 - run.onset)
    with pytest.raises(InputError, match=r"replay/other/replay.csv: no such file; name the judge in `replay.judges`"):
        replayed_scores(tmp_path, "other")
    replays = [
        {"run": hacked, "step": step, "original": 0.5, "replayed": value if step % 10 else ""}
        for step, (value, _) in enumerate(steps, 1)
    ]
    write(tmp_path / "replay/other/replay.csv", replays)
    scores = replayed_scores(tmp_path, "other")
    assert list(scores) == [run.name] and scores[run.name][1] == 0.6 and 10 not in scores[run.name]
    found = watcher_rates([run], scores, "other")
    assert (found["judge"], found["runs"], found["hacked"], found["missed"][0]) == ("other", 1, 1, 0.0)
    assert abs(found["median_delay"]) <= 3  # its scores fall as correctness does


def test_an_alarm_in_a_replay_is_the_onset_that_the_judge_s_own_scores_give():
    def run(name, correct, onset, fell):
        steps = [{"step": step, "correct": value, "judge": 0.5} for step, value in enumerate(correct, 1)]
        return WatchedRun(name, [], onset, fell, steps)

    high, fallen = [0.6] * 30, [0.6] * 15 + [0.2] * 15
    runs = [run("caught", fallen, 12, True), run("missed", fallen, 12, True), run("clean", high, None, False)]
    runs += [run("false alarm", high, None, False), run("not replayed", fallen, 12, True)]
    own = dict(zip(("caught", "missed", "clean", "false alarm"), (fallen, high, high, fallen), strict=True))
    scores = {name: dict(enumerate(values, 1)) for name, values in own.items()}
    assert watcher_alarm(runs[0], scores["caught"]) == watcher_alarm(runs[3], scores["false alarm"])
    assert watcher_alarm(runs[1], scores["missed"]) is None
    assert watcher_alarm(runs[0], scores["caught"], drop=0.5) is None
    assert watcher_alarm(runs[0], {1: 0.6}) is None  # too few steps for a window
    found = watcher_rates(runs, scores, "other")
    assert (found["runs"], found["hacked"], found["clean"]) == (4, 2, 2)
    assert found["missed"][0] == found["false_alarms"][0] == 0.5


def test_an_alarm_of_a_judge_that_watched_is_measured_on_the_validations():
    watching = [row | {"watch_other": row["accuracy"], "accuracy": 0.5} for row in FALL]
    runs = [WatchedRun("caught", watching, 8, True), WatchedRun("unwatched", FALL, 8, True)]
    assert rates(runs, 0.05, 2)["missed"][0] == 0.5
    assert rates(runs, 0.05, 2, "other")["missed"][0] == 0.5
    assert rates(runs[:1], 0.05, 2, "other") == rates(runs[1:], 0.05, 2)
