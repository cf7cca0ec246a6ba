"""Where a study's models and data are: local, made, fetched or trained by its rules; and what comes from the hub."""

from collections.abc import Mapping
from pathlib import Path

from gavel.study import layout

SELF_TAUGHT_STEPS = ("sft", "dpo")  # of an iteration of a self-taught judge, in this order


def judge_stages(study: dict) -> dict[str, dict]:
    """How the judge is trained before it pays: stage -> `method`, `start` (a folder), `data` (a file), `settings`.

    In order; each starts from the best judge of the one before. None where the judge pays as it is.
    """
    folder, start = f"{study['results_dir']}/judge/training", start_model(study, "judge")
    taught, rl, found = study["judge"]["self_taught"], study["judge"]["rl"], {}

    def add(stage: str, method: str, data: str, settings: dict) -> None:
        nonlocal start
        found[stage] = {"method": method, "start": start, "data": f"{folder}/{data}", "settings": settings}
        start = f"{folder}/{stage}/best"

    for number in range(1, (taught["iterations"] if taught else 0) + 1):
        for method in SELF_TAUGHT_STEPS:
            if taught[method]:
                add(f"iteration{number}-{method}", method, f"judgments{number}.jsonl", {"steps": None} | taught[method])
    if rl:
        add("rl", "grpo", "labelled-pairs.jsonl", rl)
    return found


def model(study: dict, which: str) -> str:
    """Where a model's files are: its folder, or where a rule makes, fetches or trains it; a server's name for it."""
    if which == "judge" and (stages := judge_stages(study)):
        return f"{study['results_dir']}/judge/training/{list(stages)[-1]}/best"
    return start_model(study, which)


def start_model(study: dict, which: str) -> str:
    """As `model`, of a judge before it is trained."""
    name = study[which]["model"]
    if name == "scratch":
        return f"{study['shared'][which] or study['results_dir']}/models/{which}"
    return f"{study['results_dir']}/hub/{which}" if which in hub(study) else name


def model_now(study: dict, which: str, trained: bool = True) -> str:
    """As `model` (`start_model` where not `trained`), but the hub name of what the study has not fetched yet."""
    place = (model if trained else start_model)(study, which)
    return study[which]["model"] if which in hub(study) and not Path(place).exists() else place


def model_files(study: dict) -> dict[str, str]:
    """The model folders among student and judge, which jobs wait for."""
    local = ["student"] if study["judge"]["server"] else ["student", "judge"]
    return {which: model(study, which) for which in local}


def data(study: dict) -> dict:
    """The section `data`, less what only the audit reads, with the folders of what is fetched from the hub."""
    wanted = hub(study)

    def local(source: dict | None, key: str) -> dict | None:
        path = f"data/{key}"
        return source | {"path": f"{study['results_dir']}/hub/{path}", "revision": None} if path in wanted else source

    section = {key: value for key, value in study["data"].items() if key != "ngram"}
    named = {key: local(section[key], key) for key in ("train", "pretrain")}
    return section | named | {"tests": {name: local(test, f"tests.{name}") for name, test in section["tests"].items()}}


def hub(study: dict) -> dict[str, dict]:
    """What is to be fetched from the hub: folder below `hub/` -> its `kind` (model or dataset), `name` and `revision`.

    The last part of the folder's name is that of the config's key.
    """
    tests = {f"tests.{name}": source for name, source in study["data"]["tests"].items()}
    named = {f"data/{key}": study["data"][key] for key in ("train", "pretrain")}
    named |= {f"data/{key}": source for key, source in tests.items()}
    found = {
        folder: {"kind": "dataset", "name": source["path"], "revision": source["revision"]}
        for folder, source in named.items()
        if source and source["path"] and not Path(source["path"]).exists()
    }
    for which in ("student", "judge"):
        about = study[which]
        served = which == "judge" and about["server"]
        if about["model"] != "scratch" and not served and not Path(about["model"]).is_dir():
            found[which] = {"kind": "model", "name": about["model"], "revision": about["revision"]}
    return found


def shipped(study: dict) -> dict[str, str]:
    """The models among student and judge that neither this study makes nor the hub gives: key -> folder."""
    fetched = hub(study)
    found = {which: start_model(study, which) for which in model_files(study)}
    return {key: path for key, path in found.items() if study[key]["model"] != "scratch" and key not in fetched}


def judge_training_files(study: dict) -> list[str]:
    """What the training of a study's judge leaves for its report; none where the judge pays as it is."""
    found = []
    for stage, about in judge_stages(study).items():
        folder = f"{study['results_dir']}/judge/training"
        found += [f"{folder}/{stage}/{name}" for name in ("run.json", "monitor.csv", "training.csv")]
        if stage.startswith("iteration"):
            found += [about["data"], about["data"].replace("judgments", "pairs")]
    return list(dict.fromkeys(found))


def run_name(algorithm: str, weight: float, seed: int) -> str:
    return f"{algorithm}-lambda{weight:g}-seed{seed}"


def grid(rl: Mapping) -> dict[str, dict]:
    """Run -> its `algorithm`, `lambda` and `seed`; none where a config's section names none."""
    return {
        run_name(algorithm, weight, seed): {"algorithm": algorithm, "lambda": weight, "seed": seed}
        for algorithm in rl.get("algorithms", ())
        for weight in rl.get("lambda", ())
        for seed in rl.get("seeds", ())
    }


def primary_comparison(named: Mapping, votes: int | None) -> dict:
    """The primary comparison, `{"run", "set", "metric", "k"}`; `votes` is the largest k of maj@k."""
    run = run_name(named["algorithm"], named["lambda"], named["seed"])
    return {"run": run, "set": named["set"], "metric": named["metric"], "k": votes if named["metric"] == "maj" else 1}


def cells(study: dict) -> dict[str, dict]:
    """The grid: run name (`<algorithm>-lambda<lambda>-seed<seed>`) -> its algorithm, lambda (`lam`) and seed."""
    return {
        run: {"algorithm": cell["algorithm"], "lam": cell["lambda"], "seed": cell["seed"]}
        for run, cell in layout.grid(study["rl"]).items()
    }


def checkpoints(study: dict) -> dict[str, tuple[str, str]]:
    """Run -> (folder of its headline checkpoint, folder of the other one).

    The headline of an RL run is its last step, since picking by validation would hide a collapse; the SFT baseline is
    picked by validation, and RL starts from it.
    """
    return {"sft": ("best", "final")} | dict.fromkeys(cells(study), ("final", "best"))


def runs(study: dict) -> dict[str, dict]:
    """Run -> its `algorithm`, `lambda` and `seed`, SFT first; the latter two None for it."""
    return {"sft": {"algorithm": "sft", "lambda": None, "seed": None}} | layout.grid(study["rl"])


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
    """The primary comparison as `gavel.evaluation.metrics.write_metrics` takes it."""
    return layout.primary_comparison(study["primary"], max(study["evaluation"]["ks"], default=None))
