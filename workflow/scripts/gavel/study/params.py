"""What each rule's job depends on."""

from typing import Any

from gavel.judge.kinds import KINDS, TASKS
from gavel.study.layout import SELF_TAUGHT_STEPS, Layout, judge_stages, model, start_model

# What a judge's scores depend on, beside `prompting`; how it is reached and in which batches is handed over apart, so
# that changing it reruns nothing.
JUDGE_KEYS = "kind model revision dtype pad_token eos_token score reasoning max_tokens cache".split()
# How rollouts by vLLM are reached, which reruns nothing either.
ROLLOUT_ACCESS = {"serve", "base_url", "command", "gpus", "startup_timeout_s", "timeout_s"}


def student(study: dict[str, Any]) -> dict[str, Any]:
    """The student's settings without its from-scratch recipe."""
    return {key: value for key, value in study["student"].items() if key != "scratch"} | {
        "model": model(study, "student")
    }


def judge(study: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments of `gavel.judge.load.load` that its scores depend on.

    Of a server that is how many tokens it lists; `gavel.judge.access` adds where it is.
    """
    server = study["judge"]["server"]
    return (
        {key: study["judge"][key] for key in JUDGE_KEYS}
        | study["judge"]["prompting"]
        | {
            "model": model(study, "judge"),
            "server": server and {"top_logprobs": server["top_logprobs"]},
        }
    )


def rl(study: dict[str, Any]) -> dict[str, Any]:
    """What an RL run depends on of the section `rl`; `gavel.training.rl.rollout_server` adds how vLLM is reached."""
    settings = {key: value for key, value in study["rl"].items() if key not in ("algorithms", "lambda", "seeds")}
    vllm = settings["vllm"]
    return settings | {"vllm": vllm and {key: value for key, value in vllm.items() if key not in ROLLOUT_ACCESS}}


def scratch_prompts(study: dict[str, Any]) -> list[str]:
    """Names of the judging prompts that a judge made from scratch learns; none where the judge is not made here."""
    scratch = study["judge"]["scratch"]
    made = [TASKS[task] for task in (scratch["tasks"] or () if scratch else ())]
    return [KINDS[kind].defaults(reasons)["prompt"] for kind, reasons in made]


def judge_prompts(study: dict[str, Any]) -> list[str]:
    """The judging prompts, names and files."""
    named = study["judge"]["prompting"]["prompt"]
    return [named] if isinstance(named, str) else named


def self_taught(study: dict[str, Any]) -> dict[str, Any] | None:
    """What the pairs and judgments of a self-taught judge depend on."""
    section = study["judge"]["self_taught"]
    return section and {key: value for key, value in section.items() if key not in SELF_TAUGHT_STEPS}


def self_taught_judge(study: dict[str, Any], iteration: int) -> str:
    """The folder of the judge that judges an iteration's pairs: the one that the iteration starts from."""
    stages = judge_stages(study)
    return next(about["start"] for stage, about in stages.items() if stage.startswith(f"iteration{iteration}-"))


def judge_pairs(study: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """How the pairs with a known better solution are drawn: name -> which problems (`part`, and how many the
    benchmark has), `samples` of each policy, `most` pairs of a problem, `seed`."""
    benchmark, rl = study["judge"]["benchmark"], study["judge"]["rl"]
    questions = benchmark["questions"] if benchmark else 0
    like = benchmark or {"samples": 4, "seed": 0}
    found = {"selection": {"part": "selection", "samples": like["samples"], "most": like["samples"]}}
    found["benchmark"] = found["selection"] | {"part": "benchmark"}
    found["labelled"] = {"part": "all"} | ({"samples": rl["samples"], "most": rl["pairs"]} if rl else {})
    return {name: about | {"questions": questions, "seed": like["seed"]} for name, about in found.items()}


def judges(study: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The judge before, between and after its stages of training: name -> keyword arguments of `gavel.judge.load.load`.

    The last one pays. One that is not trained is `pays`, alone; else the first is `start`, and the others are called
    after what they have learnt from: `iteration1` and so on, `rl`.
    """
    stages, own, files = judge_stages(study), judge(study), Layout(study["results_dir"]).judge
    found = {"start" if stages else "pays": own | {"model": start_model(study, "judge")}}
    for stage in stages:
        name = stage.partition("-")[0]
        found[name] = own | {"model": files.training(stage).best}
    return found
