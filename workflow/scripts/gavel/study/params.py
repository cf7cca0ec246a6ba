"""The parameters of each rule's jobs: a change of them reruns the job."""

from typing import Any

from gavel.judge.kinds import KINDS, TASKS
from gavel.study.layout import SELF_TAUGHT_STEPS, Layout, judge_stages, model, primary_comparison, start_model

# What a judge's scores depend on, besides `prompting`. Its address and batch sizes are passed separately, so changing
# them reruns nothing.
JUDGE_KEYS = "kind model revision dtype pad_token eos_token score reasoning max_tokens cache".split()
# How vLLM's rollout server is started and reached, and when it warns; changing it reruns nothing either.
ROLLOUT_ACCESS = {"serve", "base_url", "command", "gpus", "startup_timeout_s", "timeout_s", "warn_logp_difference"}


def student(study: dict[str, Any]) -> dict[str, Any]:
    """The student's settings, without how it is made from scratch or from a GGUF file."""
    return {key: value for key, value in study["student"].items() if key not in ("scratch", "gguf_file")} | {
        "model": model(study, "student")
    }


def solution(study: dict[str, Any]) -> dict[str, Any]:
    """The student's task (`gavel.models.task.Task`) and the time limit for its programs."""
    return study["solution"] | {"answer_type": study["data"]["answer_type"]}


def judge(study: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments of `gavel.judge.load.load` that the judge's scores depend on.

    For a server, that includes only how many top tokens it lists; `gavel.judge.access` adds its address, and for a
    simulated judge the files with gold answers. `gavel.study.named_judge.judge_settings` adds the members of a panel.
    """
    server, simulated = study["judge"]["server"], study["judge"]["simulated"]
    return (
        {key: study["judge"][key] for key in JUDGE_KEYS}
        | study["judge"]["prompting"]
        | {
            "model": model(study, "judge"),
            "server": server and {"top_logprobs": server["top_logprobs"]},
        }
        | ({"simulated": simulated | simulated_task(study)} if simulated else {})
    )


def simulated_task(study: dict[str, Any]) -> dict[str, Any]:
    """What a simulated judge knows of the responses."""
    return {"format": study["solution"]["format"], "answer_type": study["data"]["answer_type"]}


def rl(study: dict[str, Any]) -> dict[str, Any]:
    """The settings of section `rl` that a run depends on; `gavel.training.rl.rollout_server` adds vLLM's address."""
    left_out = {"algorithms", "lambda", "seeds", "runs", "keep_rollouts", "signal"}
    settings = {key: value for key, value in study["rl"].items() if key not in left_out}
    vllm = settings["vllm"]
    return settings | {"vllm": vllm and {key: value for key, value in vllm.items() if key not in ROLLOUT_ACCESS}}


def gates(study: dict[str, Any]) -> list[str]:
    """The keys that stop a study before RL, where it says so."""
    values = {
        "judge.on_weak_judge": study["judge"]["on_weak_judge"],
        "rl.signal.on_weak": study["rl"]["signal"]["on_weak"],
    }
    return [key for key, value in values.items() if value == "stop"]


def signal_plan(study: dict[str, Any]) -> dict[str, Any]:
    """What the study plans, as far as its signal depends on it: fields of `gavel.judge_eval.signal.Plan`."""
    rl = study["rl"]
    return {
        "group_size": rl["num_generations"],
        "groups": rl["prompts_per_step"],
        "rewards": min(rl["lambda"]) < 1,
        "seeds": len(primary_comparison(study, None)["runs"]),
    }


def rollouts(study: dict[str, Any]) -> dict[str, Any]:
    """The settings of section `rl` that determine a run's questions and samples at the start of training."""
    names = ("steps", "prompts_per_step", "num_generations", "labeled_fraction", "temperature")
    return {name: study["rl"][name] for name in names}


def reward_rules(study: dict[str, Any]) -> dict[str, Any]:
    """How the parts of a reward are computed: the fields of `gavel.training.rl.rewards.RewardRules`."""
    rl, solution = study["rl"], study["solution"]
    return {
        "format": solution["format"],
        "partial": rl["partial_credit"],
        "center_judge": rl["center_judge"],
        "per_token": rl["length_penalty"] / solution["max_new_tokens"],
        "answer_type": study["data"]["answer_type"],
        "weights": tuple(term["weight"] for term in rl["reward_terms"]),
    }


def acceptance(study: dict[str, Any]) -> float | None:
    """The score above which the judge accepts a response, at probability 0.5; None for a judge that only compares."""
    judge = study["judge"]
    if KINDS[judge["kind"]].comparative:
        return None
    return 0.0 if judge["score"] == "log-odds" else 0.5


def control_training(study: dict[str, Any]) -> dict[str, Any]:
    """The settings of SFT controls: section `sft` with the controls' own passes, and a validation after each."""
    settings = {key: value for key, value in (study["sft"] or {}).items() if key != "seed"}
    return settings | {"epochs": study["controls"]["epochs"], "validate_every": 1}


def scratch_prompts(study: dict[str, Any]) -> list[str]:
    """Names of the judging prompts that a judge made from scratch is trained on; none without such a judge."""
    scratch = study["judge"]["scratch"]
    tasks = [TASKS[task] for task in (scratch["tasks"] or () if scratch else ())]
    return [KINDS[kind].defaults(reasons)["prompt"] for kind, reasons in tasks]


def self_taught(study: dict[str, Any]) -> dict[str, Any] | None:
    """The settings that the pairs and judgments of a self-taught judge depend on."""
    section = study["judge"]["self_taught"]
    return section and {key: value for key, value in section.items() if key not in SELF_TAUGHT_STEPS}


def self_taught_judge(study: dict[str, Any], iteration: int) -> str:
    """The folder of the judge that judges an iteration's pairs: the one that the iteration starts from."""
    stages = judge_stages(study)
    return next(stage["start"] for name, stage in stages.items() if name.startswith(f"iteration{iteration}-"))


def judge_pairs(study: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """How pairs with a known better response are sampled.

    Returns:
        Name -> `part` (which questions) and `questions` (the benchmark's number), `samples` per question and policy,
        `most` (the maximum number of pairs per question), `seed`.
    """
    benchmark, rl = study["judge"]["benchmark"], study["judge"]["rl"]
    questions = benchmark["questions"] if benchmark else 0
    defaults = benchmark or {"samples": 4, "seed": 0}
    pairs = {"selection": {"part": "selection", "samples": defaults["samples"], "most": defaults["samples"]}}
    pairs["benchmark"] = pairs["selection"] | {"part": "benchmark"}
    pairs["labeled"] = {"part": "all"} | ({"samples": rl["samples"], "most": rl["pairs"]} if rl else {})
    return {name: settings | {"questions": questions, "seed": defaults["seed"]} for name, settings in pairs.items()}


def verifier_responses(study: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """How a verifier's responses are sampled: `labeled` to train on, `selection` to choose the best step by.

    Returns:
        Name -> `part` and `questions` (as in `judge_pairs`), `samples` per question and policy, `most` (the maximum
        number of responses; None: all), `seed`, and `key`, which sets `samples`.
    """
    verifier, benchmark = study["judge"]["verifier"], study["judge"]["benchmark"]
    if not verifier:
        return {}
    questions = benchmark["questions"] if benchmark else 0
    training = {"part": "all", "samples": verifier["samples"], "most": verifier["responses"], "seed": verifier["seed"]}
    # Other samples than the calibration's, whose seed is 0: these choose the judge that is calibrated.
    selection = {"part": "selection", "samples": study["judge"]["calibration_samples"], "most": None}
    return {
        "labeled": training | {"questions": questions, "key": "judge.verifier.samples"},
        "selection": selection
        | {"seed": verifier["seed"] + 1, "questions": questions, "key": "judge.calibration_samples"},
    }


def judges(study: dict[str, Any], settings: dict[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """The judge before, between and after its training stages: name -> keyword arguments of `gavel.judge.load.load`.

    Args:
        settings: the judge's; None takes those of `judge`, which lack the members of a panel.

    The last judge provides the rewards. An untrained judge is named `pays`; otherwise the first is `start`, and the
    others are named after their training: `iteration1` and so on, `rl`.
    """
    stages, files = judge_stages(study), Layout(study["results_dir"]).judge
    settings = judge(study) if settings is None else settings
    found = {"start" if stages else "pays": settings | {"model": start_model(study, "judge")}}
    for stage in stages:
        name = stage.partition("-")[0]
        found[name] = settings | {"model": files.training(stage).best}
    return found
