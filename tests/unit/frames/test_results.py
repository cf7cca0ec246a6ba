"""`gavel.results`: frames with the documented columns, of studies that have finished and that have not."""

import json
import shutil

import pandas as pd
import pytest
import yaml

import gavel.results
from gavel.common.errors import InputError
from gavel.common.files import write_json, write_jsonl, write_text
from gavel.common.paths import ROOT
from gavel.data.rollouts import RolloutStore
from gavel.report import unfinished
from gavel.study.layout import Layout
from helpers import fake_results, small
from write_reference import FRAMES, frame_columns

RUN = "grpo-lambda0.5-seed0"
CALLS = {"samples": [], "rollouts": [RUN], "verdicts": []}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(folder, config) of a study with two seeds, controls and one run's rollouts, not to be written into."""
    root = tmp_path_factory.mktemp("made") / "results"
    controls = {"rewards": ["coin"], "sft": ["all-answers"], "base": True}
    config = fake_results.build(
        root, {"main": 20, "plus": 16}, samples=4, algorithms=("grpo",), seeds=(0, 1), controls=controls
    )
    config = {key: value for key, value in config.items() if key not in ("provenance", "unseen_kinds")}
    config |= {"data": config["data"] | {"tests": {name: config["data"]["tests"][name] for name in ("main", "plus")}}}
    write_text(Layout(root).config, yaml.safe_dump(config))
    store = RolloutStore(root / "store")
    for step in (1, 2):
        store.write(step, rollout())
    store.merge(Layout(root).runs(RUN).rollouts)
    return root, config


def rollout() -> dict:
    """The columns of a rollout of two completions; the second has no reward."""
    numbers = {"lambda": [0.5, 0.5], "verifiable": [1.0, None], "judge": [0.9, None], "reward": [0.95, None]}
    texts = {"id": ["q1", "q1"], "response": ["return 4", "return 5"], "labeled": [True, True]}
    shape = {"group": [0, 0], "tokens": [4, 4], "finished": [True, False], "skipped": [False, False]}
    return texts | numbers | shape | {"terms": [[], []], "advantage": [0.0, 0.0], "logp": [-1.5, None]}


@pytest.fixture
def copied(made, tmp_path):
    """The folder to change, and its config."""
    shutil.copytree(made[0], tmp_path / "results")
    return tmp_path / "results", made[1] | {"results_dir": str(tmp_path / "results")}


@pytest.mark.parametrize(("place", "name"), [(place, name) for place, (_, names) in FRAMES.items() for name in names])
def test_a_frame_has_the_documented_columns(made, place, name):
    owner = eval(place, {"results": gavel.results.load(made[0])})
    frame = getattr(owner, name)
    frame = frame(*CALLS[name]) if name in CALLS else frame
    described = frame_columns(getattr(type(owner), name).__doc__)
    assert [(column.name, column.dtype) for column in described] == [(c, str(t)) for c, t in frame.dtypes.items()]
    assert len(frame)


def test_every_frame_is_in_the_reference():
    for owner, names in FRAMES.values():
        documented = [name for name, member in vars(owner).items() if "Columns:" in (member.__doc__ or "")]
        assert documented == list(names)


def test_a_run_has_its_place_its_end_and_its_accuracy(made):
    study = gavel.results.load(made[0])
    runs = study.runs.set_index("run")
    assert list(runs.kind[:2]) == ["baseline", "grid"]
    assert list(runs.index[runs.kind == "control"]) == [
        "grpo-coin-seed0", "grpo-coin-seed1", "sft-all-answers-seed0", "sft-all-answers-seed1", "base",
    ]  # fmt: skip
    assert (runs.status == "finished").all()
    own = study.metrics.query("run == @RUN and set == 'main' and metric == 'greedy' and checkpoint == 'last'").iloc[0]
    row = runs.loc[RUN]
    assert (row["lambda"], row.seed, row.steps, row.checkpoint) == (0.5, 0, 80, "last")
    assert (row.accuracy, row.accuracy_low, row.accuracy_high, row.questions) == (own.value, own.low, own.high, 20)
    assert runs.checkpoint["sft"] == "best" and pd.isna(runs["lambda"]["sft"]) and pd.isna(runs.seed["sft"])


def test_a_collapse_and_an_early_end_are_told(copied):
    root, _ = copied
    files = Layout(root).runs(RUN)
    monitor = pd.read_csv(files.monitor)
    monitor.assign(collapsed=(monitor.step >= 40).astype(int)).to_csv(files.monitor, index=False)
    summary = json.loads((root / "runs" / RUN / "run.json").read_text())
    write_json(files.run_json, summary | {"steps": 50, "ended": {"step": 50, "action": "stop"}})
    row = gavel.results.load(root).runs.set_index("run").loc[RUN]
    assert (row.collapsed_step, row.steps, row.ended_step, row.ended_by) == (40, 50, 50, "stop")


def test_the_comparisons_name_the_primary_one_and_seeds_are_averaged(made):
    study = gavel.results.load(made[0])
    named = study.comparisons.query("primary")
    assert list(named.run) == ["grpo-lambda0.5"] and list(named.baseline) == ["sft"]
    assert study.seeds.seeds.eq(2).all()


def test_samples_are_read_by_run_and_set(made):
    study = gavel.results.load(made[0])
    whole = study.samples()
    assert len(whole) == 12 * 5 * 36
    part = study.samples(RUN, set="plus")
    assert (set(part.run), set(part.set), len(part)) == ({RUN}, {"plus"}, 80)
    pd.testing.assert_frame_equal(
        part, whole[(whole.run == RUN) & (whole.set == "plus")].reset_index(drop=True), check_dtype=True
    )
    greedy = study.samples(RUN, set="main").query("sample == -1")
    accuracy = study.runs.set_index("run").accuracy[RUN]
    assert greedy.correct.mean() == pytest.approx(accuracy, abs=1e-5)
    assert greedy.elo.isna().all() and greedy.kind.isna().all()


def test_rollouts_come_in_the_order_of_training(made):
    frame = gavel.results.load(made[0]).rollouts(RUN)
    assert list(frame.step) == [1, 1, 2, 2]
    assert list(frame.reward.isna()) == [False, True] * 2
    assert frame.logp[0] == -1.5


def test_the_judge_s_metrics_have_intervals(made):
    judge = gavel.results.load(made[0]).judge
    found = json.loads((made[0] / "judge/calibration.json").read_text())
    rows = judge.calibration.set_index("metric")
    assert list(rows.loc["accuracy"]) == [found["accuracy"], *found["accuracy_ci95"]]
    assert rows.value["n"] == found["n"] and pd.isna(rows.low["n"])
    assert judge.reliability.n.sum() == found["n"] and len(judge.reliability) == 10
    assert judge.too_weak is None
    assert judge.verdicts().correct.mean() == pytest.approx(
        pd.read_json(made[0] / "judge/calibration.jsonl", lines=True).correct.mean()
    )
    assert (judge.verdicts(RUN).response != judge.verdicts().response).any()


def test_a_pairwise_judge_s_comparisons_and_the_upper_bound_have_columns(copied):
    root, _ = copied
    path = Layout(root).judge.verdicts
    first, *_ = (json.loads(line) for line in open(path))
    compared = {"opponents": 3, "first": 0.6, "flipped": 0.25}
    write_jsonl(path, [first | {"compared": compared, "reference": first | {"probability": 0.99}}])
    row = gavel.results.load(root).judge.verdicts().iloc[0]
    assert (row.opponents, row["first"], row.flipped, row.reference) == (3, 0.6, 0.25, 0.99)


def test_a_pairwise_judge_has_no_absolute_metrics(copied):
    root, _ = copied
    path = Layout(root).judge.calibration
    found = json.loads(open(path).read())
    write_json(path, found | {"accuracy": None, "accuracy_ci95": None, "reliability": []})
    judge = gavel.results.load(root).judge
    assert judge.calibration.set_index("metric").loc["accuracy"].isna().all()
    assert list(judge.reliability.columns)[:3] == ["low", "high", "n"] and judge.reliability.empty


def test_the_config_has_its_defaults_and_no_secrets(copied):
    root, config = copied
    write_text(root / "config.yaml", yaml.safe_dump(config | {"tracking": {"uri": "https://me:hunter2@mlflow.org"}}))
    study = gavel.results.load(root)
    assert study.config["rl"]["steps"] == config["rl"]["steps"]
    assert "hunter2" not in str(study.config)


def test_a_study_that_stopped_early_has_what_was_evaluated(copied):
    root, config = copied
    for name in ("config.yaml", "metrics.csv", "comparisons.csv", "seeds.csv"):
        (root / name).unlink()
    for run in ("grpo-lambda1-seed0", "grpo-lambda1-seed1", "grpo-lambda0-seed1"):
        shutil.rmtree(root / "runs" / run)
        shutil.rmtree(root / "evaluation" / run)
    log = Layout(root).log(gavel.frames.files.RULES["train_rl"], run="grpo-lambda1-seed0")
    write_text(log, "2026-11-21 04:00:00 rl: started, process 1\n2026-11-21 04:00:01 error: the judge is down\n")
    unfinished.write_reports([config])
    study = gavel.results.load(root)
    runs = study.runs.set_index("run")
    assert (runs.status[RUN], runs.status["grpo-lambda1-seed0"]) == ("finished", "failed")
    assert runs.reason["grpo-lambda1-seed0"].endswith("error: the judge is down")
    assert runs.status["grpo-lambda1-seed1"] == "waiting" and pd.isna(runs.reason["grpo-lambda1-seed1"])
    assert pd.isna(runs.steps["grpo-lambda1-seed0"]) and pd.isna(runs.accuracy["grpo-lambda1-seed0"])
    assert runs.accuracy.notna().sum() == 9
    assert RUN in set(study.metrics.run) and "grpo-lambda1-seed0" not in set(study.metrics.run)
    assert "grpo-lambda1-seed0" not in set(study.samples().run)
    with pytest.raises(InputError, match="samples.jsonl: no such file; it was not evaluated yet: run the command"):
        study.samples("grpo-lambda1-seed0")
    with pytest.raises(InputError, match="rollouts.parquet: no such file; the run has not finished: run the command"):
        study.rollouts("grpo-lambda1-seed0")


def test_a_study_that_runs_is_read_with_its_config(tmp_path):
    write_text(tmp_path / "mine.yaml", yaml.safe_dump(small.STUDY | {"results_dir": str(tmp_path / "results")}))
    (tmp_path / "results").mkdir()
    study = gavel.results.load(tmp_path / "results", config=tmp_path / "mine.yaml")
    assert list(study.runs.run) == ["sft", "grpo-lambda0.5-seed0", "ppo-lambda0.5-seed0"]
    assert set(study.runs.status) == {"waiting"} and study.runs.accuracy.isna().all()
    for name in ("metrics", "comparisons", "seeds"):
        with pytest.raises(InputError, match=f"{name}.csv: no such file; the study has not written it yet: run the"):
            getattr(study, name)
    for name in ("calibration", "reliability", "too_weak"):
        with pytest.raises(InputError, match="calibration.json: no such file; the judge was not calibrated yet: run"):
            getattr(study.judge, name)
    for run, file in ((None, "calibration.jsonl"), (RUN, f"{RUN}.jsonl")):
        with pytest.raises(InputError, match=f"{file}: no such file; the judge was not asked yet: run the command"):
            study.judge.verdicts(run)


def test_a_folder_without_a_study_is_refused(tmp_path):
    with pytest.raises(InputError, match="config.yaml: no such file; name the results folder of a finished study, or"):
        gavel.results.load(tmp_path / "nothing")
    write_text(tmp_path / "b/config.yaml", "study: b")
    with pytest.raises(
        InputError, match="name the results folder of a finished study, such as one of those in here: b$"
    ):
        gavel.results.load(tmp_path)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda study: study.samples("grpo"), "run: 'grpo' is not one of this study's; choose from sft, grpo-lambda0-"),
        (lambda study: study.samples(set="svamp"), "set: 'svamp' is not one of this study's; choose from main, plus"),
        (lambda study: study.rollouts("sft"), "run: 'sft' is not one of this study's; choose from grpo-lambda0-seed0"),
        (lambda study: study.judge.verdicts("sft"), "run: 'sft' is not one of this study's; choose from grpo-lambda0"),
        (
            lambda study: study.rollouts("grpo-coin-seed0"),
            "no such file; the run kept no rollouts: train it with rl.keep_rollouts: 1",
        ),
    ],
)
def test_what_the_study_lacks_is_refused(made, ask, message):
    with pytest.raises(InputError, match=message):
        ask(gavel.results.load(made[0]))


def test_malformed_files_are_refused(copied):
    root, _ = copied
    study = gavel.results.load(root)
    write_text(root / "metrics.csv", "run,set\nsft,main\n")
    with pytest.raises(InputError, match="metrics.csv: no column 'checkpoint'; delete it and rerun the study"):
        _ = study.metrics
    write_text(f"{Layout(root).runs(RUN).rollouts}/rollouts.parquet", "no Parquet")
    with pytest.raises(InputError, match="rollouts.parquet: cannot be read .*; train the run again"):
        study.rollouts(RUN)


def test_the_notebook_has_no_stored_outputs():
    cells = json.loads((ROOT / "examples/quickstart.ipynb").read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
