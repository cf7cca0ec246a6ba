"""A study's config made ready for the workflow: paths found, the grid spelled out. Plain values in and out."""

import os
from pathlib import Path

from gavel import config_files, grid, preflight, serving
from gavel.config import check_place, load
from gavel.errors import InputError
from gavel.hub import download
from gavel.study_files import (
    SELF_TAUGHT_STEPS,
    data,
    hub,
    judge_stages,
    judge_training_files,
    model,
    model_files,
    model_now,
    shipped,
    start_model,
)

__all__ = ["data", "hub", "judge_stages", "judge_training_files", "model", "model_files", "model_now", "shipped"]

DATA_SUFFIXES = {".json", ".jsonl", ".parquet", ".xml"}
# What a judge's scores depend on; how it is reached and in which batches is handed over apart, so that changing it
# reruns nothing.
JUDGE_KEYS = (
    "kind model revision dtype pad_token eos_token prompt labels swap_labels score reasoning chat chat_template_kwargs "
    "max_tokens cache"
).split()
# How rollouts by vLLM are reached, which reruns nothing either.
ROLLOUT_ACCESS = {"serve", "base_url", "command", "gpus", "startup_s", "timeout_s"}


def read(name: str | Path, root: str | Path) -> dict:
    """`resolve` of a YAML file. Raises `InputError` too where that is missing, no config, or several (a sweep)."""
    raw = config_files.read(name)
    sweep = raw.get("sweep")
    if isinstance(sweep, dict) and isinstance(sweep.get("variants"), dict):
        _, folder = check_place(raw)
        raise InputError(
            f"{name}: is a sweep of several studies; once it has run, name one of them: "
            f"{folder}/<variant>/config.yaml, of {', '.join(map(str, sweep['variants']))}"
        )
    return resolve(raw, root)


def resolve(raw: dict, root: str | Path) -> dict:
    """The config with its defaults, and local paths as found from the working directory or from the project's root.

    Args:
        raw: the config as read.
        root: the project's folder; shipped files are named relative to it.

    Raises:
        InputError: the config is wrong, or a path that can only be local is not there.
    """
    study = load(raw)
    sources = {"train": study["data"]["train"], "pretrain": study["data"]["pretrain"]}
    sources |= {f"tests.{name}": source for name, source in study["data"]["tests"].items()}
    for key, source in sources.items():
        if source and source["path"]:
            source["path"] = find(source["path"], root, f"config: data.{key}.path")
    for key in ("student", "judge"):
        served = key == "judge" and study["judge"]["server"]  # then it is the server's name for it
        if study[key]["model"] != "scratch" and not served:
            study[key]["model"] = find(study[key]["model"], root, f"config: {key}.model")
    preflight.check_prompts(study["judge"], study["solution"])
    return study


def find(name: str, root: str | Path, key: str) -> str:
    """A local path from here or from the root; a name that is not there is a hub name if it can be one.

    Raises:
        InputError: it is not there and cannot be a hub name (those are `owner/name` or `name`), or its first part is a
            folder here, so that it was hardly meant as one.
    """
    expanded = os.path.expanduser(name)
    for base in (Path(), Path(root)):
        try:
            if (base / expanded).exists():
                return str(base / expanded)
        except OSError as error:
            raise InputError(f"{key}: {name[:80]} cannot be looked for ({error.strerror}); check the path") from None
    local = "/" in name and any((base / name.split("/")[0]).is_dir() for base in (Path(), Path(root)))
    if local or name[0] in "./~" or name.count("/") > 1 or Path(name).suffix in DATA_SUFFIXES:
        places = dict.fromkeys([str(Path.cwd()), str(root)])
        raise InputError(f"{key}: no such file or folder: {name} (looked from {' and '.join(places)})")
    return name


def cells(study: dict) -> dict[str, dict]:
    """The grid: run name (`<algorithm>-lambda<lambda>-seed<seed>`) -> its algorithm, lambda (`lam`) and seed."""
    return {
        run: {"algorithm": cell["algorithm"], "lam": cell["lambda"], "seed": cell["seed"]}
        for run, cell in grid.grid(study["rl"]).items()
    }


def checkpoints(study: dict) -> dict[str, tuple[str, str]]:
    """Run -> (folder of its headline checkpoint, folder of the other one).

    The headline of an RL run is its last step, since picking by validation would hide a collapse; the SFT baseline is
    picked by validation, and RL starts from it.
    """
    return {"sft": ("best", "final")} | {run: ("final", "best") for run in cells(study)}


def runs(study: dict) -> dict[str, dict]:
    """Run -> its `algorithm`, `lambda` and `seed`, SFT first; the latter two None for it."""
    return {"sft": {"algorithm": "sft", "lambda": None, "seed": None}} | grid.grid(study["rl"])


def scored_files(study: dict) -> list[tuple[str, str, str, str]]:
    """(run, checkpoint, test set, file of scored samples) of a finished study, first the checkpoints that count.

    Checkpoints are called as in metrics.csv: `last` or `best`.
    """
    names = {"final": "last", "best": "best"}
    return [
        (run, names[folders[rank]], name, f"{study['results_dir']}/evaluation/{run}/{name}/{kind}.jsonl")
        for rank, kind in enumerate(("samples", "alternate"))
        for run, folders in checkpoints(study).items()
        for name in study["data"]["tests"]
    ]


def primary(study: dict) -> dict:
    """The primary comparison as `gavel.metrics.write_metrics` takes it."""
    return grid.primary(study["primary"], max(study["evaluation"]["ks"], default=None))


def student(study: dict) -> dict:
    """The student's settings without its from-scratch recipe."""
    return {key: value for key, value in study["student"].items() if key != "scratch"} | {
        "model": model(study, "student")
    }


def judge(study: dict) -> dict:
    """Keyword arguments of `gavel.judge.load` that its scores depend on.

    Of a server that is how many tokens it lists; `gavel.judge.access` adds where it is.
    """
    server = study["judge"]["server"]
    return {key: study["judge"][key] for key in JUDGE_KEYS} | {
        "model": model(study, "judge"),
        "server": server and {"top_logprobs": server["top_logprobs"]},
    }


def rl(study: dict) -> dict:
    """What an RL run depends on of the section `rl`; `gavel.rollout_access` adds how vLLM is reached."""
    settings = {key: value for key, value in study["rl"].items() if key not in ("algorithms", "lambda", "seeds")}
    vllm = settings["vllm"]
    return settings | {"vllm": vllm and {key: value for key, value in vllm.items() if key not in ROLLOUT_ACCESS}}


def judge_prompts(study: dict) -> list[str]:
    """The judging prompts, names and files."""
    named = study["judge"]["prompt"]
    return [named] if isinstance(named, str) else named


def check(study: dict, here: bool) -> None:
    """What takes seconds and is checked before the first job; `here`: jobs run on this machine. Raises `InputError`."""
    check_models(study)
    preflight.check_training(**{key: study[key] for key in ("sft", "rl", "compute", "evaluation")}, here=here)
    for key, server in (("judge.server", study["judge"]["server"]), ("rl.vllm", study["rl"]["vllm"])):
        if here and server and server["serve"] == "job":
            serving.words(server["command"], key, model="")
    _bring_served_judge(study)


def _bring_served_judge(study: dict) -> None:
    """Have a hub model in the cache that the jobs' own servers load, since jobs do not ask the hub."""
    judge, server = study["judge"], study["judge"]["server"]
    own = server and server["serve"] == "job" and "{model}" in str(server["command"])
    if own and not Path(judge["model"]).exists():
        download(judge["model"], kind="model", revision=judge["revision"], key="judge.model")


def check_models(study: dict) -> None:
    """Tokens and prompts of the models that are here already. Raises `InputError`."""
    asked = judge(study) | {"model": start_model(study, "judge")}
    preflight.check(student(study), asked, study["solution"], served=bool(study["judge"]["server"]))


def gpus(study: dict, rule: str) -> int:
    """How many of `compute.gpus` a rule's job has a use for: 0 without any."""
    given, server = study["compute"]["gpus"], study["judge"]["server"]
    if not given or rule == "train_rl":
        return given
    if rule in ("train_sft", "train_judge"):
        return study["compute"]["processes"]
    if rule in ("solution_pairs", "benchmark_items", "judgments"):
        return 1
    if rule == "generate":
        vllm = study["evaluation"]["vllm"]
        return vllm["tensor_parallel_size"] if vllm else 1
    if server and server["serve"] == "job":  # its GPUs are counted among all
        return 0 if rule == "score" and not study["evaluation"]["judge"] else given
    if rule == "score":
        return int(study["evaluation"]["judge"] and not server)
    if rule == "benchmark_judge":
        return int(not server)
    return 1


def self_taught(study: dict) -> dict | None:
    """What the pairs and judgments of a self-taught judge depend on."""
    section = study["judge"]["self_taught"]
    return section and {key: value for key, value in section.items() if key not in SELF_TAUGHT_STEPS}


def self_taught_judge(study: dict, iteration: int) -> str:
    """The folder of the judge that judges an iteration's pairs: the one that the iteration starts from."""
    stages = judge_stages(study)
    return next(about["start"] for stage, about in stages.items() if stage.startswith(f"iteration{iteration}-"))


def judge_pairs(study: dict) -> dict[str, dict]:
    """How the pairs with a known better solution are drawn: name -> which problems (`part`, and how many the
    benchmark has), `samples` of each policy, `most` pairs of a problem, `seed`."""
    benchmark, rl = study["judge"]["benchmark"], study["judge"]["rl"]
    questions = benchmark["questions"] if benchmark else 0
    like = benchmark or {"samples": 4, "seed": 0}
    found = {"selection": {"part": "selection", "samples": like["samples"], "most": like["samples"]}}
    found["benchmark"] = found["selection"] | {"part": "benchmark"}
    found["labelled"] = {"part": "all"} | ({"samples": rl["samples"], "most": rl["pairs"]} if rl else {})
    return {name: about | {"questions": questions, "seed": like["seed"]} for name, about in found.items()}


def judges(study: dict) -> dict[str, dict]:
    """The judge before, between and after its stages of training: name -> keyword arguments of `gavel.judge.load`.

    The last one pays. One that is not trained is `pays`, alone; else the first is `start`, and the others are called
    after what they have learnt from: `iteration1` and so on, `rl`.
    """
    stages, own = judge_stages(study), judge(study)
    found = {"start" if stages else "pays": own | {"model": start_model(study, "judge")}}
    for stage in stages:
        name = stage.partition("-")[0]
        found[name] = own | {"model": f"{study['results_dir']}/judge/training/{stage}/best"}
    return found
