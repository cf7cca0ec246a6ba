"""Studies with every control, under a panel with judges that watch, and with a simulated judge: what they train on,
and what their reports say."""

import json

import pandas as pd
import pytest
import yaml

from gavel.cli.main import main
from gavel.data.rollouts import read_rollouts
from helpers.job_inputs import informed_jobs
from helpers.small import STUDY, Project

pytestmark = pytest.mark.timeout(1600)

CONTROLS = {
    "rewards": ["majority-vote", "coin", "format", "all-answers"],
    "sft": ["judge-accepted", "majority-vote", "all-answers"],
    "base": True,
}
RUNS = ["grpo-majority-vote", "grpo-coin", "grpo-format", "grpo-all-answers"]
RUNS += ["sft-judge-accepted", "sft-majority-vote", "sft-all-answers"]
PANEL = {
    "judges": {"whole": "resources/models/judge", "several": "resources/models/judges"},
    "combine": "minimum",
}
WATCH = {"whole": "resources/models/judge", "simulated": "simulated.yaml"}
SIMULATED = {"kind": "simulated", "simulated": {"tpr": 0.9, "fpr": 0.2}}
TRAINING = {"train_sft", "train_rl", "judge_policy", "judge_trained"}


def judge(**section):
    return {"kind": "panel", "model": None, "panel": PANEL} | section


@pytest.fixture(scope="module")
def controlled(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("controls"))
    replay = {"judges": {"two-bit": "resources/models/two-bit-judge", "simulated": "simulated.yaml"}, "every": 2}
    own = STUDY | {"study": "simulated", "results_dir": "results/simulated", "judge": SIMULATED}
    (project.folder / "simulated.yaml").write_text(yaml.safe_dump(own))
    project.configure(controls=CONTROLS, judge=judge(watch=WATCH), rl={"algorithms": ["grpo"]}, replay=replay)
    done = project.run(timeout=1500)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return project


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("simulated"))
    project.configure(judge={"model": None} | SIMULATED, rl={"algorithms": ["grpo"]})
    done = project.run(timeout=1500)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return project


def test_every_control_is_trained_evaluated_and_shown(controlled):
    for run in RUNS:
        summary = json.loads((controlled.results / f"runs/{run}-seed0/run.json").read_text())
        assert summary["status"] == "finished"
        assert summary["lambda"] is None
        assert summary["control"] in run
    metrics = pd.read_csv(controlled.results / "metrics.csv")
    assert {f"{run}-seed0" for run in RUNS} | {"base", "sft"} <= set(metrics.run)
    assert set(metrics.control.dropna()) == {*CONTROLS["rewards"], *CONTROLS["sft"], "base"}
    page = (controlled.results / "report.html").read_text()
    assert 'id="controls"' in page
    for name in ("GRPO, majority vote", "GRPO, coin", "SFT on samples that the judge accepts", "base model"):
        assert name in page


def test_only_the_bounds_read_a_withheld_answer(controlled):
    rules = TRAINING | {"control_examples", "train_control"}
    assert informed_jobs(controlled.folder, controlled.results, rules) == {
        ("train_rl", "grpo-all-answers-seed0"),
        ("control_examples", "sft-all-answers-seed0"),
        ("train_control", "sft-all-answers-seed0"),
    }


def test_controls_pay_what_their_names_say(controlled):
    for run in RUNS[:4]:
        rewards = {
            row["reward"]
            for rows in read_rollouts(controlled.results / f"runs/{run}-seed0/rollouts")
            for row in rows
            if row["reward"] is not None
        }
        wanted = {0.0, 0.1, 1.0} if run.endswith("all-answers") else {0.0, 1.0}
        assert rewards <= wanted | ({1 / 2, 1 / 3, 1 / 4} if run.endswith("vote") else set())
        assert len(rewards) > 1


def test_a_simulated_judge_gets_the_withheld_answers_and_the_report_says_so_first(simulated):
    rules = {"train_sft", "train_rl", "judge_policy"}
    assert informed_jobs(simulated.folder, simulated.results, rules) == {("train_rl", "grpo-lambda0.5-seed0")}
    page = (simulated.results / "report.html").read_text()
    answer = page.split('class="answer"')[1].split("</p>")[0]
    assert "judge is simulated from the gold answers of all questions" in answer


def test_other_judges_judge_the_completions_again_and_the_report_shows_it(controlled):
    for judge in ("two-bit", "simulated"):
        steps = pd.read_csv(controlled.results / f"replay/{judge}/replay.csv")
        assert set(steps.run) == {"grpo-lambda0.5-seed0", *(f"{run}-seed0" for run in RUNS[:4])}
        assert set(steps.step) == {1, 3}
        assert (steps.missing == 0).all()
    summary = json.loads((controlled.results / "replay/simulated/replay.json").read_text())
    assert all(run["auc_replayed"][0] > 0.6 for run in summary["runs"])  # TPR 0.9 and FPR 0.2
    page = (controlled.results / "report.html").read_text()
    assert "What other judges would have rewarded" in page
    assert "judged again by two-bit" in page


def test_replay_of_its_own_judge_gives_what_was_paid(simulated, controlled, monkeypatch, capsys):
    for project in (simulated, controlled):
        monkeypatch.chdir(project.folder)
        config = "results/small/config.yaml"
        assert main(["replay", "results/small", "--judge", config, "--exact", "--json"]) == 0
        for run in json.loads(capsys.readouterr().out)["runs"]:
            by_judge = "lambda" in run["run"]  # a control's rewards are not the judge's
            assert (run["largest_difference"] == 0) == by_judge
            assert not by_judge or run["agreement"] in (1, None)
        assert (project.results / "replay/replay.svg").exists()


def test_the_panel_gives_the_reward_and_each_of_its_judges_is_kept(controlled):
    rows = [json.loads(line) for line in (controlled.results / "judge/calibration.jsonl").read_text().splitlines()]
    assert all(row["judge"] == min(row["phrasings"]) and len(row["phrasings"]) == 2 for row in rows)
    calibration = json.loads((controlled.results / "judge/calibration.json").read_text())
    assert set(calibration["settings"]["panel"]["members"]) == set(PANEL["judges"])
    assert calibration["phrasings"]["phrasings"] == 2
    usage = json.loads((controlled.results / "judge/usage.json").read_text())
    assert usage["judge"] > 0
    page = (controlled.results / "report.html").read_text()
    assert "Judges of the panel" in page and "phrasings or judges agree" in page


def test_judges_that_watch_score_the_samples_of_every_run_and_the_report_shows_them(controlled):
    for run in ("grpo-lambda0.5-seed0", "grpo-coin-seed0"):
        monitor = pd.read_csv(controlled.results / f"runs/{run}/monitor.csv")
        for name in WATCH:
            assert monitor[f"watch_{name}"].between(0, 1).all()
            assert monitor[f"agreement_{name}"].between(0, 1).all()
            assert set(monitor[f"alarm_{name}"]) <= {0, 1}
        assert (monitor.judge <= monitor.watch_whole + 1e-6).all()  # a minimum over it and another one
        assert (monitor.watcher_tokens >= 0).all()
    page = (controlled.results / "report.html").read_text()
    assert "Judges that watch" in page and "Alarms of the watching judges, which read no label" in page


def test_only_rl_is_trained_again_for_other_judges_that_watch(controlled, simulated):
    controlled.configure(controls=CONTROLS, judge=judge(), rl={"algorithms": ["grpo"]})
    done = controlled.run("-n", "--quiet", "host")
    again = {line.split()[-1].rstrip(":") for line in done.stdout.splitlines() if line.startswith("rule ")}
    assert done.returncode == 0 and "train_rl" in again
    assert not again & {"train_sft", "judge_policy", "calibrate_judge"}
    for path in (simulated.folder / ".snakemake/metadata").iterdir():  # without such judges there is no such param
        record = json.loads(path.read_text())
        assert record["rule"] != "train_rl" or not any("watch" in str(param) for param in record["params"])
