"""Judges that learn: imitation, preference and RL on tiny real models; interrupted, they go on."""

import json
from dataclasses import replace

import pandas as pd
import pytest
from safetensors.torch import load_file

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl, write_jsonl
from gavel.jobs.launch import RunFolders
from gavel.judge import kinds, load
from gavel.study import layout, params, resolve
from gavel.study.schema.judge_training import JudgeDpo, JudgeRl, JudgeSft
from gavel.study.schema.study import load as load_config
from gavel.training.judge.judgments import sample_judgments
from gavel.training.judge.records import Judgment
from gavel.training.judge.settings import JudgeDPOSettings, JudgeRLSettings, JudgeSFTSettings
from gavel.training.judge.train import PairAccuracy, PreferenceReward, train
from gavel.training.records import JudgeSummary
from helpers.typed_rows import assert_typed

LABELS = (" Yes", " No")  # the tokenizer of the tests' model has these as words


@pytest.fixture(scope="module")
def pairs(rows):
    """The same wrong solution of every question, which is easy to learn."""
    wrong = "def solution():\n    return 0"
    return [
        {"id": row["id"], "prompt": row["question"], "chosen": row["program"], "rejected": wrong, "subset": "none"}
        for row in rows[:12]
    ]


def settings(tiny, reasons):
    kind = kinds.KINDS["pairwise"].defaults(reasons) | {"labels": LABELS}
    reasoning = {"max_new_tokens": 6, "samples": 1, "temperature": 0.0, "vote": "mean", "seed": 0} if reasons else None
    return {"kind": "pairwise", "model": tiny, "dtype": "float32", "reasoning": reasoning, "cache": "run"} | kind


def weights(folder):
    return {name: value.tolist() for name, value in load_file(f"{folder}/model.safetensors").items()}


COMMON = {"warmup": 0, "validate_every": 2}
SETTINGS = {
    "sft": JudgeSFTSettings(**JudgeSft(epochs=4, batch_size=8, learning_rate=3e-3, **COMMON).model_dump()),
    "dpo": JudgeDPOSettings(**JudgeDpo(epochs=2, batch_size=8, learning_rate=1e-3, **COMMON).model_dump()),
    "grpo": JudgeRLSettings(
        **JudgeRl(steps=4, prompts_per_step=4, num_generations=4, learning_rate=1e-3, validate_every=2).model_dump()
    ),
}


def run(tmp_path, tiny, pairs, method, reasons, **changed):
    asked = settings(tiny, reasons)
    write_jsonl(tmp_path / "pairs.jsonl", pairs)
    data = tmp_path / "pairs.jsonl"
    if method != "grpo":
        data = tmp_path / "judgments.jsonl"
        judge = load.load(**asked | {"cache": None})
        write_jsonl(data, sample_judgments(judge, pairs, samples=4, temperature=1.0, seed=0))
        assert_typed(read_jsonl(data), Judgment)
    arguments = {
        "method": method,
        "start": tiny,
        "judge_settings": asked,
        "data": str(data),
        "selection": str(tmp_path / "pairs.jsonl"),
        "run": RunFolders(str(tmp_path / "out"), str(tmp_path / "state"), "d"),
        "settings": SETTINGS[method],
        "name": method,
    }
    return train(**arguments | changed)


@pytest.mark.parametrize("reasons", [False, True])
@pytest.mark.parametrize("method", ["sft", "dpo", "grpo"])
def test_a_judge_learns_and_leaves_what_a_student_leaves(tmp_path, tiny, pairs, method, reasons, record_run):
    record_run(algorithm={"grpo": "judge-rl"}.get(method, f"judge-{method}"))
    summary = run(tmp_path, tiny, pairs, method, reasons)
    out = tmp_path / "out"
    assert summary == json.loads((out / "run.json").read_text())
    assert_typed([summary], JudgeSummary)
    assert summary["algorithm"] == method and summary["status"] == "finished" and summary["examples"] > 0
    validations = pd.read_csv(out / "monitor.csv")
    assert validations.step.iloc[0] == 0 and validations.step.iloc[-1] == summary["steps"]
    assert ((validations.greedy_low <= validations.greedy) & (validations.greedy <= validations.greedy_high)).all()
    best = validations[validations.step == summary["best_step"]].greedy.item()
    assert best == validations.greedy.max()
    again = PairAccuracy(settings(str(out / "best"), reasons) | {"cache": None}, pairs)
    found = again(again.judge.in_process_backend.model, None, 0)
    assert found["greedy"] == pytest.approx(best), "what is kept is what was validated"
    assert len(pd.read_csv(out / "training.csv")) == summary["steps"]


def test_imitation_learns_an_easy_preference(tmp_path, tiny, pairs):
    run(tmp_path, tiny, pairs, "sft", False, settings=replace(SETTINGS["sft"], epochs=30))
    validations = pd.read_csv(tmp_path / "out" / "monitor.csv")
    assert validations.greedy.iloc[0] < 0.9 < validations.greedy.max()


@pytest.mark.parametrize("method", ["sft", "grpo"])
def test_an_interrupted_judge_goes_on_as_if_it_had_not_been(tmp_path, tiny, pairs, method, monkeypatch, record_run):
    record_run(algorithm={"grpo": "judge-rl"}.get(method, f"judge-{method}"), resume=True)
    from gavel.training.callback import RunCallback

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    run(whole, tiny, pairs, method, True)
    ended = RunCallback.on_save

    def killed(self, args, state, control, **kwargs):
        ended(self, args, state, control, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(RunCallback, "on_save", killed)
    with pytest.raises(KeyboardInterrupt):
        run(cut, tiny, pairs, method, True)
    monkeypatch.undo()
    run(cut, tiny, pairs, method, True)
    for name in ("monitor.csv",):
        assert (whole / "out" / name).read_bytes() == (cut / "out" / name).read_bytes()
    kept = [(folder / "out/final/model.safetensors").read_bytes() for folder in (whole, cut)]
    assert kept[0] == kept[1]


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_a_stage_with_nothing_to_learn_from_leaves_the_judge_as_it_is_and_says_why(tmp_path, tiny, pairs, method):
    write_jsonl(tmp_path / "none.jsonl", [])
    for _ in range(2):  # the second time from the state that the first has left
        summary = run(tmp_path, tiny, pairs, method, True, data=str(tmp_path / "none.jsonl"))
        assert summary["untrained"].startswith("nothing to learn from: ")
        assert (summary["steps"], summary["best_step"], summary["examples"]) == (0, 0, 0)
        assert list(pd.read_csv(tmp_path / "out/monitor.csv").step) == [0]
        assert pd.read_csv(tmp_path / "out/training.csv").empty
        for kept in ("best", "final"):
            assert weights(tmp_path / "out" / kept) == weights(tiny)


def test_rl_without_pairs_is_an_error(tmp_path, tiny, pairs):
    write_jsonl(tmp_path / "none.jsonl", [])
    with pytest.raises(InputError, match="nothing for grpo to learn from: no labelled question has both"):
        run(tmp_path, tiny, pairs, "grpo", True, data=str(tmp_path / "none.jsonl"))


def test_rl_whose_judgments_of_a_prompt_are_all_paid_alike_says_so(tmp_path, tiny, pairs, monkeypatch):
    monkeypatch.setattr(PreferenceReward, "__call__", lambda self, completions, **trl: [1.0] * len(completions))
    summary = run(tmp_path, tiny, pairs, "grpo", False)
    assert_typed([summary], JudgeSummary)
    assert summary["untrained"] == "all judgments of each prompt got the same reward; raise judge.rl.temperature"
    assert weights(tmp_path / "out/final") == weights(tiny)


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_a_training_of_few_steps_moves_the_judge(tmp_path, tiny, pairs, method):
    run(tmp_path, tiny, pairs, method, False, settings=replace(SETTINGS[method], steps=1, warmup=5))
    assert weights(tmp_path / "out/final") != weights(tiny)


def test_a_judgment_is_paid_by_the_label_after_the_cue():
    logged = {}
    reward = PreferenceReward("\nThe better answer is answer")
    texts = ["so\nThe better answer is answer A", "The better answer is answer B", "A", "The better answer is answer"]
    assert reward(texts, [" A"] * 4, log_metric=logged.__setitem__) == [1.0, -1.0, -1.0, -1.0]
    assert logged == {"preferred": 0.25}
    assert PreferenceReward("")([" A", " B and A", ""], [" A"] * 3) == [1.0, -1.0, -1.0]


def test_stages_follow_one_another(tmp_path):
    import yaml

    from gavel.common.paths import ROOT

    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    raw["judge"] |= {"kind": "pairwise", "self_taught": {"iterations": 2}, "rl": {}}
    resolved = resolve.resolve(load_config(raw), ROOT)
    stages = layout.judge_stages(resolved)
    assert list(stages) == ["iteration1-sft", "iteration1-dpo", "iteration2-sft", "iteration2-dpo", "rl"]
    starts = [about["start"] for about in stages.values()]
    folder = "results/judge/training"
    assert starts[1:] == [f"{folder}/{stage}/best" for stage in list(stages)[:-1]]
    assert layout.model(resolved, "judge") == f"{folder}/rl/best" != layout.local_models(resolved)["judge"] == starts[0]
    assert [about["model"] for about in params.judges(resolved).values()] == [
        starts[0],
        f"{folder}/iteration1-dpo/best",
        f"{folder}/iteration2-dpo/best",
        f"{folder}/rl/best",
    ]
    assert params.self_taught_judge(resolved, 2) == f"{folder}/iteration1-dpo/best"
    raw["judge"] |= {"self_taught": None, "rl": None}
    plain = resolve.resolve(load_config(raw), ROOT)
    assert layout.judge_stages(plain) == {} and list(params.judges(plain)) == ["pays"]
