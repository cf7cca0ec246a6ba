"""What `gavel cost` reckons, against figures worked out by hand."""

import json

import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

from gavel.cli import main
from gavel.common.errors import InputError
from gavel.judge.kinds import KINDS, Kind
from gavel.judge_eval.probes import PROBES
from gavel.study.cost import estimate, workload
from gavel.study.cost.sizes import SIZES, of_config, size_of
from gavel.study.schema import study as config
from helpers import architectures, llama

MODEL = "facebook/galactica-125m"
GENERATED = {"reader": "generator", "set": "main", "size": 50}
RAW = {
    "study": "counted",
    "data": {"train": GENERATED, "labeled": 20, "unlabeled": 20, "validation": 10, "tests": {"main": GENERATED}},
    "student": {"model": MODEL},
    "judge": {"model": "Qwen/Qwen2.5-7B-Instruct", "dtype": "bfloat16", "calibration_samples": 3},
    "solution": {"max_new_tokens": 100},
    "sft": {"epochs": 4, "validate_every": 3, "batch_size": 8},
    "rl": {
        "algorithms": ["grpo", "ppo"],
        "lambda": [0.5, 1],
        "steps": 5,
        "prompts_per_step": 6,
        "num_generations": 4,
        "warmup": 1,
        "validation": {"every": 2, "questions": 8},
        "ppo": {"epochs": 2, "minibatches": 1},
    },
    "evaluation": {"samples": 2, "ks": [1, 2]},
    "primary": {"test_set": "main"},
}


def study(**changes) -> dict:
    sections = {key: RAW.get(key, {}) | value if isinstance(value, dict) else value for key, value in changes.items()}
    return config.load(RAW | sections)


def test_counts_by_hand():
    found = {item.label: item for item in workload.work(study())}
    # 20 labels make 2 whole batches of 8 an epoch: 8 steps, validated before, after 6 and after 8.
    sft = found["train_sft"]
    assert (sft.examples, sft.completions) == (64, 30)
    # 5 steps x 6 problems x 4 completions; validations at steps 0, 2, 4 and 5, each of 8 problems, twice; two cells.
    grpo, ppo = found["train_rl, grpo"], found["train_rl, ppo"]
    assert (grpo.jobs, grpo.completions, grpo.examples) == (2, 2 * (120 + 64), 240)
    assert (grpo.critic, grpo.read) == (0, 0)
    # Judged: the rollouts of the cell at 0.5 alone, the validations of both.
    assert grpo.judged == 120 + 2 * 32
    # Two passes of policy and critic; log-probabilities before the first of them.
    assert (ppo.examples, ppo.critic, ppo.read) == (480, 480, 240)
    # 10 validation problems as drawn and as perturbed, three samples each.
    assert found["judge_policy"].completions == 60
    assert found["judge_trained"].completions == 4 * 30
    # Five runs, 50 questions: 2 samples and a greedy solution, and the other checkpoint's greedy one.
    assert found["generate"].completions == 5 * 50 * 4
    assert found["score"].judged == 5 * 50 * 3


@pytest.mark.parametrize(("steps", "every", "times"), [(10, 5, 3), (11, 5, 4), (4, 5, 2)])
def test_looks_are_before_between_and_after(steps, every, times):
    assert workload.validations(steps, every) == times


def test_operations_and_hours_by_hand():
    assumed = estimate.Assumptions(
        prompt=60, judging=40, length=0.2, peak=1e12, training=0.5, reading=0.25, writing=0.1
    )
    sft = estimate.costs(study(), assumed)[0]
    # 64 examples of 80 tokens, 6 operations a parameter; 30 greedy solutions of 20 after prompts of 60, 2 operations.
    training, writing, reading = 6 * 125e6 * 64 * 80, 2 * 125e6 * 30 * 20, 2 * 125e6 * 30 * 60
    assert (sft.trained, sft.written) == (64 * 80, 600)
    assert sft.flops == pytest.approx(training + writing + reading)
    assert sft.hours == pytest.approx((training / 0.5e12 + writing / 0.1e12 + reading / 0.25e12) / 3600)
    score = estimate.costs(study(), assumed)[-1]
    assert score.judged == 750 * 60
    assert score.flops == pytest.approx(2 * SIZES["Qwen/Qwen2.5-7B-Instruct"].parameters * 750 * 60)
    longest = estimate.costs(study(), assumed, longest=True)[0]
    assert longest.written == 30 * 100


def test_checkpointing_costs_a_forward_pass_and_idle_gpus_are_held():
    plain = estimate.costs(study(), estimate.Assumptions())
    wide = study(compute={"gpus": 2, "processes": 2}, sft={"gradient_checkpointing": True})
    held = {own.work.rule: own.allocated / own.hours for own in estimate.costs(wide, estimate.Assumptions())}
    assert (held["train_sft"], held["score"]) == (1, 1)
    served = study(compute={"gpus": 3}, judge={"server": {"serve": "job", "gpus": [1, 2]}})
    assert (
        next(own.allocated / own.hours for own in estimate.costs(served, estimate.Assumptions()) if own.work.jobs == 1)
        == 1
    )
    training = [own for own in estimate.costs(served, estimate.Assumptions()) if own.work.rule == "train_rl"]
    assert {own.allocated / own.hours for own in training} == {3}
    trained = 2 * 125e6 * plain[0].trained
    assert estimate.costs(wide, estimate.Assumptions())[0].flops - plain[0].flops == pytest.approx(trained)


def test_a_judge_that_compares_by_hand():
    found = {
        item.label: item for item in workload.work(study(judge={"kind": "pairwise", "benchmark": {"questions": 4}}))
    }
    # Groups of four have six pairs, each in both orders: 30 rollouts; validations (32 a cell) hold one pair each.
    assert found["train_rl, grpo"].judged == 30 * 12 + 2 * 32 * 2
    # SFT's samples of the 8 validation problems are drawn once a cell besides.
    assert found["train_rl, grpo"].completions == 2 * (120 + 64 + 8)
    # Three samples of 20 problems, and all tricks on 10.
    assert found["judge_policy"].judged == 20 * 6 + 10 * len(PROBES) * (len(PROBES) - 1)
    assert found["judge_trained"].judged == 4 * 10 * 6
    # Greedy solution and two samples.
    assert found["score"].judged == 5 * 50 * 6
    # Four samples of student and SFT, SFT's greedy solutions; four pairs a problem.
    assert (found["benchmark_items"].completions, found["benchmark_judge"].judged) == (4 * 9, 2 * 4 * 4)


def test_judges_that_watch_score_each_validation_response():
    plain, watched = (
        {item.label: item.judged for item in workload.work(study(judge=judge))}
        for judge in ({}, {"watch": {"a": "resources/models/judge", "b": "resources/models/judge"}})
    )
    assert watched["train_rl, grpo"] - plain["train_rl, grpo"] == 2 * 2 * 32
    assert {label for label in plain if plain[label] != watched[label]} == {"train_rl, grpo", "train_rl, ppo"}


def test_the_calibration_asks_twice_with_a_reference_prompt():
    plain, bound = (
        {item.label: item.judged for item in workload.work(study(judge=judge))}
        for judge in ({}, {"reference_prompt": "judge-reference"})
    )
    assert bound["judge_policy"] - plain["judge_policy"] == 20 * 3
    assert {label for label in plain if plain[label] != bound[label]} == {"judge_policy"}


def test_each_member_of_a_panel_reads_the_response():
    folder, assumed = "resources/models/judge", estimate.Assumptions()
    plain = study(judge={"model": folder})
    panel = study(judge={"kind": "panel", "panel": {"judges": {"a": folder, "b": folder, "c": folder}}})
    assert estimate.judging(panel, assumed, 10, False)[0] == 3 * estimate.judging(plain, assumed, 10, False)[0]
    own, one = (
        next(cost for cost in estimate.costs(config, assumed) if cost.work.rule == "score") for config in (panel, plain)
    )
    assert own.flops == pytest.approx(3 * one.flops)


def test_a_judge_without_judging_prompts_reads_a_response_once(monkeypatch):
    plain, assumed = study(), estimate.Assumptions()
    monkeypatch.setitem(KINDS, "classifier", Kind(scores=("probability",)))
    own = study(judge={"kind": "classifier"})
    assert estimate.judging(own, assumed, 10, False) == estimate.judging(plain, assumed, 10, False)


@pytest.mark.parametrize(("ways", "prompts"), [(["elo"], 2), (["knockout"], 2), (["score", "knockout"], 2)])
def test_contests_are_among_the_samples_alone(ways, prompts):
    found = workload.work(study(judge={"kind": "pairwise"}, evaluation={"best_of": ways}))
    assert found[-1].judged == 5 * 50 * prompts  # two samples: one pair
    wide = workload.work(study(judge={"kind": "pairwise"}, evaluation={"best_of": ways, "samples": 8, "ks": [8]}))
    assert wide[-1].judged == 5 * 50 * (14 if ways == ["knockout"] else 56)


def test_a_judge_that_reasons_reads_twice_and_writes():
    assumed = estimate.Assumptions(judging=40, length=0.2, reasoning=0.5, peak=1e12, reading=0.25, writing=0.1)
    reasoning = {"max_new_tokens": 60, "samples": 3}
    read, written = estimate.judging(study(judge={"reasoning": reasoning}), assumed, 20, longest=False)
    assert (read, written) == (4 * 60 + 3 * 30, 3 * 30)
    assert estimate.judging(study(judge={"reasoning": reasoning}), assumed, 20, longest=True)[1] == 3 * 60
    score = estimate.costs(study(judge={"reasoning": reasoning}), assumed)[-1]
    judge = 2 * SIZES["Qwen/Qwen2.5-7B-Instruct"].parameters
    assert score.judged == 750 * (330 + 90)
    assert score.flops == pytest.approx(judge * 750 * (330 + 90))
    assert score.hours == pytest.approx(judge * 750 * (330 / 0.25e12 + 90 / 0.1e12) / 3600)
    # Two solutions in a prompt.
    assert estimate.judging(study(judge={"kind": "pairwise"}), assumed, 20, longest=False) == (80, 0)


def test_a_judge_that_is_trained_is_as_large_as_it_was(tmp_path, capsys):
    raw = RAW | {"judge": RAW["judge"] | {"dtype": "float32", "kind": "pairwise", "rl": {}}}
    (tmp_path / "trained.yaml").write_text(yaml.safe_dump(raw))
    assert main.main(["cost", str(tmp_path / "trained.yaml")]) == 0
    text = capsys.readouterr().out
    assert "(7,610 million); the judge's own training, with its pairs and judgments, is not counted" in text


def test_a_models_size_is_read_from_its_files(tmp_path):
    save_file(
        {"a": np.zeros((3, 4), np.float32), "b": np.zeros(5, np.float16)},
        tmp_path / "model.safetensors",
        metadata={"format": "pt"},
    )
    about = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 32, "num_key_value_heads": 1}
    about |= {"vocab_size": 50, "intermediate_size": 96, "model_type": "llama"}
    (tmp_path / "config.json").write_text(json.dumps(about))
    found = size_of(str(tmp_path), "student.model")
    assert (found.parameters, found.layers, found.kv_width) == (17, 2, 8)
    assert (found.width, found.inner, found.heads, found.vocabulary, found.gated) == (32, 96, 4, 50, True)


@pytest.mark.parametrize("kind", architectures.OWN)
def test_parameters_are_counted_from_the_shapes_where_there_are_no_files(kind):
    """Biases, norms and positions are left out, which matters in models of this size only."""
    built = architectures.build(kind, vocab_size=4000)
    found = of_config(built.config.to_dict())
    assert found.parameters == pytest.approx(built.num_parameters(), rel=0.15)
    assert found.gated == (kind not in ("opt", "gpt2", "bloom"))


def test_a_gguf_files_size_is_in_its_header(tmp_path):
    made = llama.model()
    llama.write(made, tmp_path / "tiny.gguf")
    made.save_pretrained(tmp_path / "folder")
    assert size_of(str(tmp_path / "tiny.gguf"), "x") == size_of(str(tmp_path / "folder"), "x")


def test_what_is_not_known_is_said(tmp_path, capsys):
    with pytest.raises(InputError, match="student.model: the size of 'a/b' is unknown"):
        size_of("a/b", "student.model")
    hub = {"reader": "gsm8k", "path": "some/data", "split": "train"}
    with pytest.raises(InputError, match="data.tests.x: the number of questions in some/data is unknown"):
        workload.questions(study(data={"tests": {"x": hub}}, primary={"test_set": "x"}))
    assert main.main(["cost", str(tmp_path / "none.yaml")]) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert main.main(["cost", "config/gsm8k-125m.yaml", "--mfu-decode=0"]) == 2
    assert capsys.readouterr().err == "gavel: --mfu-decode 0: give a number above 0 and at most 1\n"


def test_the_page_names_its_command_and_its_assumptions(capsys):
    assert main.main(["cost", "config/gsm8k-125m.yaml", "--mfu-decode=0.01"]) == 0
    text = capsys.readouterr().out
    assert "`gavel cost config/gsm8k-125m.yaml --mfu-decode=0.01`" in text
    assert "decoding (a judge's reasoning too) 1%" in text


def test_a_sweep_has_a_section_for_each_variant(capsys):
    assert main.main(["cost", "config/judges.yaml"]) == 0
    text = capsys.readouterr().out
    titles = [line for line in text.splitlines() if line.startswith("## `config")]
    assert len(titles) == 8 and titles[-1] == "## `config/judges.yaml`, variant `judge_rl`"
    judged = {
        title.split("`")[3]: float(row.split(" M |")[-2].split("|")[-1])
        for title, part in zip(titles, text.split("## `config")[1:], strict=True)
        for row in part.splitlines()
        if row.startswith("| train_rl, grpo") and " M |" in row
    }
    assert judged["single"] < judged["reasoning"] < judged["votes"] < judged["comparing"]
    assert text.count("the judge's own training, with its pairs and judgments, is not counted") == 2
