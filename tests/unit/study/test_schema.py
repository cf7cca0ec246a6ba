"""The config: closed, described, and the same in code, schema, documentation and shipped files."""

import copy

import pytest
import yaml

from gavel.common.errors import InputError
from gavel.common.paths import ROOT
from gavel.judge.kinds import KINDS, Kind
from gavel.models.task import Task
from gavel.study import layout, params, results_folder
from gavel.study.layout import Layout
from gavel.study.rules import RULES
from gavel.study.schema import study as config_study
from gavel.study.schema import training
from helpers.configs import default

STUDIES = sorted((ROOT / "config").glob("*.yaml"))


PRIMARY_RUNS = [f"grpo-lambda0.5-seed{seed}" for seed in range(3)]
OTHER_RUNS = ["ppo-lambda0-seed0", "grpo-lambda1-seed0"]


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_shipped_studies_are_valid_and_keep_their_results_apart(path):
    study = config_study.load(yaml.safe_load(path.read_text()))
    expected = "results" if path.name == "config.yaml" else f"results/{study['study']}"
    assert study["results_dir"] == expected


def changed(path: str, value) -> dict:
    raw = copy.deepcopy(default())
    node = raw
    *parents, last = path.split(".")
    for key in parents:
        node = node.setdefault(key, {})
    node[last] = value
    return raw


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("rl.algoritms", ["grpo"], "unknown key 'rl.algoritms'; did you mean 'rl.algorithms'?"),
        ("rl.ppo.gae_lamda", 0.9, "did you mean 'rl.ppo.gae_lambda'?"),
        ("data.tests.main.sise", 3, "did you mean 'data.tests.main.size'?"),
        ("rl.lambda", [0.5, 1.5], "rl.lambda.1: "),
        ("rl.algorithms", ["grpo", "a2c"], "'a2c' does not exist; choose from grpo, dr_grpo"),
        ("rl.lambda", [0.5, 0.5], "names something twice"),
        ("rl.lambda_schedule", {"steps": 8}, "'rl.lambda_schedule.start' is missing"),
        ("rl.lambda_schedule", 0.9, "rl.lambda_schedule: expected a section of keys, found 0.9"),
        ("rl.lambda_schedule", {"start": 1.5}, "rl.lambda_schedule.start: "),
        ("rl.lambda_schedule", {"start": 0.9}, None),
        ("rl.lambda_schedule", {"start": 0.9, "steps": 60}, None),
        *((f"rl.{key}", [], f"rl.{key}: is an empty list, which") for key in ("lambda", "algorithms", "seeds")),
        ("rl.lora", {"target_modules": []}, "rl.lora.target_modules: is an empty list; name at least one"),
        ("judge.prompting.prompt", [], "judge.prompting.prompt: is an empty list"),
        ("judge.scratch", {"tasks": []}, "judge.scratch.tasks: is an empty list"),
        ("judge.server", {"serve": "job", "command": []}, "judge.server.command: is an empty list"),
        ("evaluation.best_of", [], "evaluation.best_of: is an empty list"),
        ("evaluation.ks", [], None),
        ("rl.lambda", [0.5, 0.5000001], "run names show six digits"),
        ("rl.runs", [], "rl.runs: "),
        (
            "rl.runs",
            [*PRIMARY_RUNS, "grpo-lambda0.5-seed9"],
            "'grpo-lambda0.5-seed9', which is no run of the grid",
        ),
        ("rl.runs", [*PRIMARY_RUNS, "x"], "its runs have names such as 'grpo-lambda0-seed0'"),
        ("rl.runs", PRIMARY_RUNS, "rl.runs has no run with the algorithm ppo; add one"),
        ("rl.runs", [*PRIMARY_RUNS, "ppo-lambda0-seed0"], "rl.runs has no run with the lambda 1.0; add one"),
        ("rl.runs", [*PRIMARY_RUNS, *OTHER_RUNS], None),
        ("rl.runs", [*PRIMARY_RUNS[1:], *OTHER_RUNS], "rl.runs lacks 'grpo-lambda0.5-seed0', a run of the primary"),
        ("primary.lambda", 0.25, "primary.lambda 0.25 is not one of the study's"),
        ("primary.test_set", "gsm8k", "primary.test_set 'gsm8k' is not one of the study's"),
        ("data.labeled", 1.5, "neither a count"),
        ("data.train", {"reader": "gsm8k"}, "needs `path`"),
        ("data.train", {"reader": "generator", "size": 5}, "needs `set` and `size`"),
        ("data.train", {"reader": "rows", "path": "x", "size": 5}, "data.train: size: reader 'rows' would ignore it"),
        ("data.train", {"reader": "jsonl", "path": "x"}, "data.train.reader: 'jsonl' is now 'rows'"),
        ("data.train", {"reader": "rows", "path": "x", "columns": {"answer": "final", "solution": "why"}}, None),
        ("data.train", {"reader": "gsm8k", "path": "x", "columns": {"question": "problem"}}, None),
        (
            "data.train",
            {"reader": "gsm8k", "path": "x", "columns": {"solution": "why"}},
            "columns.solution: reader 'gsm8k' would ignore it; leave it out, or use 'rows'",
        ),
        (
            "data.train",
            {"reader": "svamp", "path": "x", "columns": {"question": "q"}},
            "columns.question: reader 'svamp' would ignore it; leave it out, or use 'rows' or 'gsm8k'",
        ),
        (
            "data.train",
            {"reader": "generator", "set": "main", "size": 5, "columns": {"question": "q"}},
            "columns: reader 'generator' would ignore it",
        ),
        (
            "data.train",
            {"reader": "rows", "path": "x", "columns": {"anser": "final"}},
            "unknown key 'data.train.columns.anser'; did you mean 'data.train.columns.answer'?",
        ),
        (
            "data.train",
            {"reader": "rows", "path": "x", "columns": {"answer": "a", "solution": "a"}},
            "data.train.columns: answer and solution name the same column, 'a'",
        ),
        ("data.train", {"reader": "rows", "path": "x", "columns": {"answer": 5}}, "data.train.columns.answer: "),
        ("solution", {"reasoning": True}, None),
        ("solution", {"reasoning": True, "format": "text"}, "reasoning: is for programs"),
        (
            "data.train",
            {"reader": "gsm8k", "path": "x", "set": "main"},
            "set: reader 'gsm8k' would ignore it; leave it",
        ),
        ("data.train", {"reader": "gsm8k", "path": "x", "seed": 1}, "seed: reader 'gsm8k' would ignore it"),
        (
            "data.tests.other",
            {"reader": "svamp", "path": "x", "perturbs": "main"},
            "perturbs: reader 'svamp' would ignore it",
        ),
        ("data.train", {"reader": "gsm8k", "path": "x", "seed": 0, "size": None}, None),
        *(
            (
                "data.pretrain",
                {"reader": "generator", "set": "pretrain", "size": 30000, key: value},
                f"data.pretrain: {key}: reader 'generator' would ignore it; leave it out",
            )
            for key, value in [("path", "x"), ("name", "x"), ("split", "x"), ("revision", "x")]
            + [("limit", 5), ("skip_bad", True)]
        ),
        *(("rl.steps", value, "rl.steps: ") for value in (True, False, "yes", "010", "-010", "1:30", ".inf", "inf")),
        ("rl.steps", True, "rl.steps: expected a number; YAML reads yes, no, on and off as true and false"),
        ("rl.steps", "010", "rl.steps: write the number without a leading 0 (found '010')"),
        ("rl.steps", "60", None),
        ("rl.steps", "6e1", None),
        ("rl.steps", "6.05e1", "rl.steps: Input should be a valid integer, got a number with a fractional part"),
        *(("sft.learning_rate", value, "sft.learning_rate: ") for value in (True, "inf", "nan", "1e999", "01")),
        ("sft.learning_rate", float("inf"), "sft.learning_rate: Input should be a finite number (found inf)"),
        ("sft.learning_rate", float("nan"), "sft.learning_rate: "),
        ("sft.learning_rate", "1e-5", None),
        ("data.labeled", True, "data.labeled: expected a number"),
        ("data.labeled", float("inf"), "data.labeled: Input should be a finite number"),
        ("data.labeled", "1e2", None),
        ("rl.lambda", [0, True, 0.5], "rl.lambda: expected a number"),
        ("rl.lambda", [0, float("inf")], "rl.lambda.1: Input should be a finite number"),
        ("rl.lambda", ["0", "5e-1"], None),
        ("evaluation.ks", [1, True], "evaluation.ks: expected a number"),
        ("evaluation.ks", ["01"], "evaluation.ks: write the number without a leading 0"),
        ("rl.algorithms", ["grpo", True], "rl.algorithms: expected text; YAML reads yes, no, on and off as true and"),
        (
            "judge.prompting.labels",
            [True, False],
            "judge.prompting.labels: expected text; YAML reads yes, no, on and off as true and",
        ),
        (
            "judge.prompting.labels",
            [1, 2],
            "judge.prompting.labels.0: Input should be a valid string; put it in quotes (found 1)",
        ),
        ("judge.cache", True, "judge.cache: expected text"),
        ("judge.cache", False, None),
        ("judge.prompting.chat", "yes", None),
        ("rl", None, "rl: expected a section of keys, found None (indent its keys below it, or leave it out)"),
        ("rl", [], "rl: expected a section of keys, found []"),
        *(("study", name, "study: expected a name with a letter or digit;") for name in (".", "..", "...", "-", "_")),
        *(("study", name, "study: String should match pattern") for name in ("", "a/b", "../x", "a\n", "~", "a b")),
        ("study", 8, "study: Input should be a valid string; put it in quotes (found 8)"),
        ("study", "-n", "study: must not begin with a dash, which programs take for an option"),
        ("study", "jt", "results_dir: results is the folder of the default study 'tiny', whose results 'jt' would"),
        ("results_dir", "-n", "results_dir: must not begin with a dash"),
        *(
            ("results_dir", f"{name}{below}", f"is in the project's folder {name}; name another folder")
            for name in ("workflow", "tests", "config", "docs", "resources", "profiles", "envs", "benchmarks")
            for below in ("", "/mine", "/../docs/../" + name)
        ),
        *(("results_dir", path, "results_dir: ") for path in ("", " ", "x ", "$HOME/x", "a{b}", "a\0b", "x" * 300)),
        ("results_dir", ".", "results_dir: . is the project's own folder"),
        ("results_dir", "results/..", "is the project's own folder"),
        ("results_dir", str(ROOT), "is the project's own folder"),
        ("results_dir", "..", "results_dir: .. contains the project itself"),
        ("results_dir", "/", "results_dir: / contains the project itself"),
        ("results_dir", "results/../docs", "is in the project's folder docs"),
        ("results_dir", ".venv/x", "is in the project's folder .venv"),
        ("results_dir", "Makefile", "results_dir: Makefile is a file"),
        ("results_dir", "Makefile/x", "which is a file"),
        ("results_dir", "results/data", "is among the default study's results"),
        ("results_dir", "results/judge/x", "is among the default study's results"),
        ("results_dir", "~nobody-of-this-name/x", "there is no user 'nobody-of-this-name' here"),
        *(("results_dir", path, None) for path in ("results", "results/mine", "mine", "/tmp/mine", "../mine", None)),
        ("judge.server", {"serve": "job", "command": "x '{port}"}, "command: cannot be split into words (no closing"),
        ("judge.server", {"serve": "job", "command": 'x "{port}'}, "judge.server: command: cannot be split into words"),
        (
            "judge.server",
            {"serve": "job", "command": "x {port} \\"},
            "split into words (no escaped character)",
        ),
        ("judge.server", {"serve": "job", "command": "x {port}\0"}, "command: contains a NUL character"),
        ("judge.server", {"serve": "job", "command": ["it's", "{port}"]}, None),
        (
            "rl.vllm",
            {"mode": "server", "serve": "job", "gpus": [1], "command": "x '{port}"},
            "rl.vllm: command: cannot",
        ),
        ("data.tests.-n", {"reader": "gsm8k", "path": "x"}, "test set name '-n' must not begin with a dash"),
        ("data.tests.plus.perturbs", "other", "'other', which is not another test set"),
        ("evaluation.ks", [1, 64], "only 16 samples"),
        ("evaluation.best_of", [], "evaluation.best_of: "),
        ("evaluation.best_of", ["elo", "elo"], "best_of names something twice: elo, elo"),
        ("evaluation.best_of", ["swiss"], "evaluation.best_of.0: Input should be 'score', 'elo' or 'knockout'"),
        (
            "evaluation.best_of",
            ["score", "knockout"],
            "names 'knockout', which needs a pairwise judge, but judge.kind is 'single-",
        ),
        ("evaluation", {"judge": False, "best_of": ["elo"]}, "'elo' needs the judge; write `judge: true`, or leave it"),
        ("evaluation", {"ks": [1, 4], "best_of": ["knockout"]}, "picks from all 16 samples; add 16 to `ks`"),
        ("judge.kind", "oracle", "'oracle' does not exist"),
        (
            "judge.score",
            "win-rate",
            "judge: score: a single-token judge has no score 'win-rate'; choose from probability, log-odds",
        ),
        (
            "judge",
            {"model": "m", "kind": "pairwise", "score": "log-odds"},
            "a pairwise judge has no score 'log-odds'; choose from win-rate, elo",
        ),
        (
            "judge",
            {"model": "m", "kind": "pairwise", "prompting": {"swap_labels": True}},
            "already asks in both orders of the responses; leave it",
        ),
        (
            "judge",
            {"model": "m", "kind": "pairwise", "calibration_samples": 1},
            "needs at least 2, to compare them",
        ),
        (
            "judge",
            {"model": "scratch", "kind": "pairwise", "scratch": {"tasks": ["single-token", "reasoning"]}},
            "lack the task of this judge; add 'pairwise'",
        ),
        ("judge", {"model": "scratch", "self_taught": {}}, "self_taught: trains only a pairwise judge"),
        (
            "judge",
            {"model": "x", "kind": "pairwise", "self_taught": {"questions": 3000}},
            "2 iterations of 3000 need 6000 unlabelled questions, but there are 4000; ask for fewer",
        ),
        (
            "judge",
            {"model": "x", "kind": "pairwise", "rl": {"prompts_per_step": 3, "micro_batch_size": 7}},
            "judge.rl: 24 completions a step (prompts_per_step * num_generations) do not divide",
        ),
        (
            "judge",
            {"model": "m", "kind": "pairwise", "prompting": {"labels": ["A", "A"]}},
            "choose two different words",
        ),
        ("judge", {"model": "m", "kind": "pairwise"}, None),
        (
            "judge",
            {"model": "m", "reasoning": True},
            "judge.reasoning: expected a section of keys, found True (write {} for",
        ),
        ("sft", 3, "sft: expected a section of keys, found 3"),
        ("rl.vllm", {"mode": "server"}, "mode 'server' needs `base_url`, the address of vLLM's server"),
        ("rl.vllm", {"base_url": "http://x"}, "rl.vllm: base_url: applies to vLLM's server only; write `mode: server`"),
        ("rl.vllm", {"serve": "job"}, "rl.vllm: serve: applies to vLLM's server only; write `mode: server`"),
        ("rl.vllm", {"mode": "server", "serve": "job"}, "rl.vllm: gpus: name GPUs for the job's server"),
        ("rl.vllm", {}, "vllm: 'ppo' has a critic"),
        (
            "rl.vllm",
            {"importance_sampling_clip_min": 3},
            "importance_sampling_clip_min 3 is not less than importance_sampling_clip_max 3",
        ),
        (
            "rl.vllm",
            {"importance_sampling_mode": "token_truncate", "importance_sampling_clip_max": None},
            "importance_sampling_mode 'token_truncate' needs a limit",
        ),
        ("rl.vllm", {"importance_sampling_mode": "mask"}, "rl.vllm.importance_sampling_mode: Input should be"),
        (
            "judge.server",
            {},
            "judge.server: serve: 'external' needs `base_url`, the server's address; or write `serve:",
        ),
        (
            "judge.server",
            {"serve": "job", "base_url": "http://x/v1"},
            "base_url: with `serve: job` the job chooses the",
        ),
        ("judge.server", {"serve": "job", "command": "vllm serve m"}, "command: has no {port}"),
        ("judge.server", {"serve": "job", "command": ["{port}"]}, "command: must begin with a program"),
        ("judge.server", {"base_url": "http://x/v1", "gpus": [0]}, "gpus: is for a server that the job starts"),
        (
            "judge.server",
            {"base_url": "http://x/v1", "command": "x {port}"},
            "command: is for a server that the job st",
        ),
        ("judge.server", {"serve": "job", "gpus": [1]}, "judge.server.gpus names GPU 1, but compute.gpus is 0"),
        ("judge.server", {"serve": "job", "gpus": []}, None),
        ("judge.server", {"serve": "job", "command": ["x", "--port={port}"]}, None),
        ("student.dtype", "bfloat16", "student.dtype bfloat16 is too coarse for sft's"),
        (
            "tracking.uri",
            "localhost:5000",
            "tracking: uri: expected http://host:port of a server; the value is not shown",
        ),
        ("tracking.uri", "http://me:hush@host:5000", "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        ("tracking.uri", "postgresql://host/db?user=me&password=hush", "for a database PGUSER and PGPASSWORD"),
        ("tracking.uri", "http://host:5000", None),
        ("compute", {"processes": 5}, "which 5 processes (compute.processes) cannot share evenly"),
        ("compute", {"processes": 16}, None),
        ("rl.ppo.minibatches", 3, "256 completions a step"),
        ("rl.micro_batch_size", 60, "mini-batches of micro-batches of 60; change rl.micro_batch_size"),
        ("compute", {"processes": 4, "gpus": 2}, "compute.processes is 4, but compute.gpus is 2"),
        ("compute", {"distributed": "fsdp"}, "compute.distributed 'fsdp' needs several processes"),
        ("compute", {"processes": 2, "distributed": "deepspeed"}, "'deepspeed' cannot train the critic of 'ppo'"),
        ("compute", {"processes": 2, "gpus": 2, "distributed": "fsdp"}, "cannot train the critic of 'ppo'; use ddp"),
        ("compute", {"processes": 2}, None),
        ("sft.lora", {"r": 8}, None),
        ("rl.lora", {"r": 8}, None),
        ("sft.lora", {"r": 8, "dropout": 0.1}, None),
        ("rl.lora", {"r": 8, "dropout": 0.1}, "rl.lora: dropout 0.1: RL runs without dropout"),
        ("judge.rl", {"lora": {"r": 8, "dropout": 0.1}}, "judge.rl.lora: dropout 0.1: RL runs without dropout"),
        ("sft.micro_batch_size", 5, "sft.micro_batch_size: 16 examples a step do not divide into micro-batches of 5"),
        ("sft.micro_batch_size", 50, None),
        (
            "judge",
            {"model": "m", "kind": "pairwise", "self_taught": {"dpo": {"micro_batch_size": 5}}},
            "judge.self_taught.dpo.micro_batch_size: 32 examples a step do not divide into micro-batches of 5",
        ),
        ("data.pretrain", None, None),
        ("student.model", "scratch", None),
    ],
)
def test_a_wrong_value_is_named_in_one_line(path, value, message):
    if message is None:
        config_study.load(changed(path, value))
        return
    with pytest.raises(InputError) as error:
        config_study.load(changed(path, value))
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert "hush" not in str(error.value), "a password is repeated"


def test_a_part_of_the_grid_keeps_its_order_and_a_longer_part_retrains_nothing():
    study = config_study.load(changed("rl.runs", [*OTHER_RUNS, *PRIMARY_RUNS]))
    assert list(layout.grid(study["rl"])) == [*PRIMARY_RUNS, "grpo-lambda1-seed0", "ppo-lambda0-seed0"]
    assert layout.primary_comparison(study, None)["runs"] == PRIMARY_RUNS
    assert "runs" not in params.rl(study)


def test_a_kind_of_judge_brings_its_own_prompt_labels_and_score():
    found = config_study.load(default())["judge"]
    found |= found["prompting"]
    assert [found[key] for key in ("prompt", "labels", "score")] == ["judge", [" Yes", " No"], "probability"]
    found = config_study.load(changed("judge", {"model": "m", "kind": "pairwise"}))["judge"]
    found |= found["prompting"]
    assert [found[key] for key in ("prompt", "labels", "score")] == ["pairwise", [" A", " B"], "win-rate"]


def test_a_new_kind_without_a_model_is_not_simulated(monkeypatch):
    """A simulated judge knows the gold answers, so no other kind may become one."""
    monkeypatch.setitem(KINDS, "pattern", Kind(scores=("probability",), model=False))
    study = config_study.load(changed("judge", {"kind": "pattern"}))
    assert study["judge"]["simulated"] is None and "simulated" not in params.judge(study)
    with pytest.raises(InputError, match="simulated: mixes only with a single-token judge"):
        config_study.load(changed("judge", {"kind": "pattern", "simulated": {"tpr": 0.9}}))


def test_a_new_kind_of_judge_is_one_line(monkeypatch):
    monkeypatch.setitem(KINDS, "shortest", KINDS["single-token"])
    for reasoning in (None, {"max_new_tokens": 8}):
        found = config_study.load(changed("judge", {"model": "m", "kind": "shortest", "reasoning": reasoning}))["judge"]
        assert found["prompting"]["prompt"] == ("reasoning" if reasoning else "judge")
    with pytest.raises(InputError, match="a shortest judge cannot be made from scratch; name a model"):
        config_study.load(changed("judge", {"model": "scratch", "kind": "shortest"}))


def test_a_kind_of_judge_without_judging_prompts_refuses_their_keys(monkeypatch):
    monkeypatch.setitem(KINDS, "classifier", Kind(scores=("probability",)))
    own = {"model": "m", "kind": "classifier"}
    found = config_study.load(changed("judge", own))["judge"]
    assert [found["prompting"][key] for key in ("prompt", "labels")] == [None, None]
    assert found["score"] == "probability"
    assert config_study.load(changed("judge", found))["judge"] == found  # as a results folder's config.yaml has it
    for key, value in (("prompt", "judge"), ("labels", [" Yes", " No"]), ("chat", True)):
        with pytest.raises(InputError, match=f"prompting.{key}: a classifier judge has no judging prompt; leave it"):
            config_study.load(changed("judge", own | {"prompting": {key: value}}))
    with pytest.raises(InputError, match="reasoning: a classifier judge cannot reason before its verdict"):
        config_study.load(changed("judge", own | {"reasoning": {}}))


def test_a_judge_that_compares_may_pick_the_best_by_ratings_and_by_a_knockout():
    raw = changed("judge", {"model": "m", "kind": "pairwise"})
    raw["evaluation"]["best_of"] = ["score", "elo", "knockout"]
    assert config_study.load(raw)["evaluation"]["best_of"] == ["score", "elo", "knockout"]
    assert config_study.load(default())["evaluation"]["best_of"] == ["score"]


@pytest.mark.parametrize("action", ["flag", "stop", "rollback"])
def test_the_monitor_may_act_under_a_judge_that_compares(action):
    raw = changed("judge", {"model": "m", "kind": "pairwise"})
    raw["rl"]["validation"] = {"on_collapse": action}
    assert config_study.load(raw)["rl"]["validation"]["on_collapse"] == action


def test_a_vote_needs_a_k():
    raw = changed("evaluation.ks", [])
    raw["primary"]["metric"] = "maj"
    with pytest.raises(InputError, match="primary.metric 'maj' uses the largest k, but evaluation.ks is empty"):
        config_study.load(raw)


def test_a_mistyped_key_is_named_before_what_is_missing():
    with pytest.raises(InputError, match=r"unknown key 'studnt'; did you mean 'student'\? \(and [0-9]+ more\)"):
        config_study.load({"study": "x", "studnt": {"model": "scratch"}, "data": {"train": {}}})


def test_vllm_for_cpus_may_sample_without_gpus():
    """Whether the installed one can is checked before the first job (`gavel.study.checks`)."""
    raw = changed("rl.algorithms", ["grpo"])
    raw["rl"]["vllm"] = {}
    raw["evaluation"] = {"vllm": {}}
    assert config_study.load(raw)["rl"]["vllm"]["mode"] == "colocate"
    raw["rl"]["vllm"] = {"mode": "server", "base_url": "http://x"}
    with pytest.raises(InputError, match=r"rl.vllm.mode 'server' needs a GPU, .* over NCCL, but compute.gpus is 0"):
        config_study.load(raw)
    raw["compute"] = {"gpus": 1}
    config_study.load(raw)
    raw["evaluation"] = {"vllm": {"tensor_parallel_size": 2}}
    with pytest.raises(InputError, match=r"evaluation.vllm.tensor_parallel_size is 2, but compute.gpus is 1"):
        config_study.load(raw)


def test_rollouts_by_a_job_s_own_server_need_gpus_beside_those_of_training():
    raw = changed("rl.algorithms", ["grpo"])
    raw["compute"] = {"gpus": 3, "processes": 2}
    for gpus, message in (
        ([3], "rl.vllm.gpus names GPU 3, but compute.gpus is 3"),
        ([1, 2], "names GPU 1, on which the"),
    ):
        raw["rl"]["vllm"] = {"mode": "server", "serve": "job", "gpus": gpus}
        with pytest.raises(InputError, match=message):
            config_study.load(raw)
    raw["rl"]["vllm"]["gpus"] = [2]
    assert config_study.load(raw)["rl"]["vllm"]["command"].startswith("trl vllm-serve")


def test_a_model_from_scratch_needs_something_to_read():
    raw = changed("student.model", "scratch")
    raw["data"]["pretrain"] = None
    with pytest.raises(InputError, match=r"data.pretrain, its training data, is null"):
        config_study.load(raw)


def of_choices(**sections) -> dict:
    """A config of multiple-choice questions, with some sections changed."""
    raw = {
        "study": "letters",
        "data": {
            "train": {"reader": "aqua", "path": "train.jsonl"},
            "labeled": 10,
            "unlabeled": 10,
            "validation": 10,
            "tests": {"arc": {"reader": "arc", "path": "arc.jsonl"}, "own": {"reader": "rows", "path": "own.jsonl"}},
            "answer_type": "choice",
        },
        "solution": {"format": "text"},
        "student": {"model": "m"},
        "judge": {"model": "j"},
        "primary": {"test_set": "arc"},
    }
    return raw | {key: raw[key] | changes for key, changes in sections.items()}


def test_answers_are_numbers_unless_the_config_says_otherwise():
    for raw, name in ((default(), "number"), (of_choices(), "choice")):
        study = config_study.load(raw)
        assert study["data"]["answer_type"] == name
        assert Task.from_config(params.solution(study)).answer_type == name


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"solution": {"format": "program"}},
            "solution.format 'program' cannot answer with what data.answer_type 'choice'",
        ),
        ({"data": {"answer_type": "number"}}, "train.reader: 'aqua' does not read answers of `answer_type` 'number'"),
        ({"data": {"answer_type": "word"}}, "data.answer_type: "),
        (
            {"data": {"train": {"reader": "generator", "set": "main", "size": 40}}},
            "train.reader: 'generator' does not read answers of `answer_type` 'choice'; use lm_eval, rows",
        ),
        (
            {"data": {"tests": {"arc": {"reader": "svamp", "path": "x"}}}},
            "tests.arc.reader: 'svamp' does not read answers",
        ),
        (
            {
                "student": {"model": "scratch"},
                "data": {"pretrain": {"reader": "rows", "path": "x.jsonl"}},
            },
            "student.model 'scratch' is pretrained on programs, which answer numbers",
        ),
        (
            {"judge": {"kind": "pairwise", "self_taught": {"questions": 5}}},
            "judge.self_taught.negatives: 'changed-question' changes a number",
        ),
        ({"judge": {"kind": "pairwise", "self_taught": {"questions": 5, "negatives": ["injected-error"]}}}, None),
    ],
)
def test_what_needs_numbers_is_refused_where_answers_are_letters(sections, message):
    raw = of_choices(**sections)
    raw["data"] = of_choices()["data"] | sections.get("data", {})
    if message is None:
        config_study.load(raw)
        return
    with pytest.raises(InputError) as error:
        config_study.load(raw)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lambda_schedule": {"start": 0.9, "steps": 81}}, "lambda_schedule.steps 81 is more than steps 80"),
        ({"labeled_fraction": 0}, "labeled_fraction 0: rollouts have no labelled questions"),
        ({"kl_placement": "reward"}, "kl_placement: 'reward' needs a `kl_coefficient` above 0"),
        ({"validation": {"every": 90, "on_collapse": "stop"}}, "validation.every 90 is more than steps 80"),
        ({"kl_coefficient": 0.1, "kl_placement": "reward", "algorithms": ["grpo", "dapo"]}, "does not work with dapo"),
        ({"group_filter": {}, "algorithms": ["grpo", "ppo"]}, "group_filter: 'ppo' has a critic"),
        ({"group_filter": {}, "algorithms": ["grpo"], "vllm": {}}, "group_filter: does not work with `vllm`"),
        ({"group_filter": {"min_spread": 0.1}}, "min_spread: has no effect with `by: outcome`"),
        ({"reward_terms": [{"file": "a.py", "weight": 1}]}, "does not name a function in a Python file"),
        ({"reward_terms": [{"file": f"{name}.py:f", "weight": 1} for name in "ab"]}, "two functions are called f"),
    ],
)
def test_settings_that_contradict_each_other_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        training.Rl(**settings)


def test_a_mistyped_key_in_a_list_is_named_with_its_place():
    raw = default() | {"rl": {"reward_terms": [{"file": "a.py:b", "wieght": 1}]}}
    with pytest.raises(InputError, match=r"'rl\.reward_terms\.0\.wieght'; did you mean 'rl\.reward_terms\.0\.weight'"):
        config_study.load(raw)


def test_lambda_keeps_its_name():
    study = config_study.load(default())
    assert study["rl"]["lambda"] == [0, 0.5, 1]
    assert study["primary"]["lambda"] == 0.5


def objects(node):
    if isinstance(node, dict):
        if node.get("type") == "object" and "properties" in node:
            yield node
        for value in node.values():
            yield from objects(value)


def test_every_section_is_closed_and_every_key_described():
    for section in objects(config_study.schema()):
        assert section["additionalProperties"] is False
        for key, field in section["properties"].items():
            assert field.get("description") or "$ref" in field, f"{section['title']}.{key}"


def test_generated_files_are_current():
    import write_reference

    assert (ROOT / "workflow/schemas/config.schema.yaml").read_text() == write_reference.schema_text(), (
        "run `make docs`"
    )
    assert (ROOT / "docs/reference/cost.md").read_text() == write_reference.cost_text(), "run `make docs`"
    for name, regenerated in write_reference.PAGES.items():
        page = (ROOT / "docs/reference" / name).read_text()
        assert page == regenerated(page), f"{name}: run `make docs`"
    assert (ROOT / "envs/gavel.yaml").read_text() == write_reference.environment_text(), "run `make docs`"


def test_every_key_stands_in_the_reference():
    page = (ROOT / "docs/reference/config.md").read_text()
    for section in objects(config_study.schema()):
        for key in section["properties"]:
            assert f"| `{key}` |" in page


def test_results_may_lie_in_the_home_folder_but_not_be_it(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for given, expected in (("~/mine", "mine"), ("~/a//mine/", "a/mine"), (f"{tmp_path}/b", "b")):
        assert config_study.load(default() | {"results_dir": given})["results_dir"] == f"{tmp_path}/{expected}"
    with pytest.raises(InputError, match="is your home folder"):
        config_study.load(default() | {"results_dir": "~"})


def test_links_are_followed_to_where_results_would_be(tmp_path):
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "away").symlink_to(tmp_path)
    for path, message in (
        ("docs", "project's folder docs"),
        ("docs/x", "project's folder docs"),
        ("gone/x", "is broken"),
    ):
        with pytest.raises(InputError, match=message):
            config_study.load(default() | {"results_dir": str(tmp_path / path)})
    assert config_study.load(default() | {"results_dir": str(tmp_path / "away" / "x")})["results_dir"].endswith(
        "away/x"
    )


@pytest.mark.parametrize("name", ["data", "judge", "mlflow.db", "models"])
def test_a_study_is_not_called_like_a_part_of_the_default_study_s_results(name):
    raw = default() | {"study": name}
    del raw["results_dir"]
    with pytest.raises(InputError, match=f"results/{name} is among the default study's results"):
        config_study.load(raw)


def test_a_study_that_names_no_folder_gets_one_of_its_own():
    raw = default() | {"study": "mine"}
    del raw["results_dir"]
    assert config_study.load(raw)["results_dir"] == "results/mine"


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        ({"on_weak_judge": "stop"}, None),
        ({"on_weak_judge": "stop", "max_off_label": None, "min_within_auc": 0.7}, None),
        ({"on_weak_judge": "stop", "max_off_label": None}, "'stop' needs `min_within_auc` or `max_off_label`"),
        ({"max_off_label": 1.5}, "judge.max_off_label"),
    ],
)
def test_a_judge_is_stopped_by_something(judge, message):
    raw = default()
    raw["judge"] = raw["judge"] | judge
    if message is None:
        assert config_study.load(raw)["judge"]["on_weak_judge"] == "stop"
        return
    with pytest.raises(InputError, match=message):
        config_study.load(raw)


def test_half_of_the_probability_may_fall_off_the_labels_where_a_config_does_not_say():
    assert config_study.load(default())["judge"]["max_off_label"] == 0.5


def test_no_study_lies_among_the_files_of_the_default_one():
    files = Layout("results")
    made = [path for path in vars(files).values() if isinstance(path, str)]
    made += [files.hub("student"), files.model("judge"), files.runs("sft").best, files.data.audit, files.judge.gate]
    made += [files.unfinished.report, files.log(RULES["score"]), f"{files.root}/state/sft"]
    first = {path.removeprefix("results/").partition("/")[0] for path in made} - {"results"}
    assert first <= set(results_folder.RESERVED_NAMES)
