"""Where the files of a study are: its results folder, runs, models and data.

`Layout` is the only place that spells the paths of rules' outputs; results/README.md describes the files. What jobs
keep for themselves, in `state` and `mlflow.db`, is spelled where it is used (`gavel.jobs.job`, `gavel.tracking.study`).
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, Protocol, TypedDict

from gavel.common.paths import is_gguf
from gavel.evaluation.records import Primary, RunColumns

SELF_TAUGHT_STEPS = ("sft", "dpo")  # the stages of a self-taught judge's iteration, in order
VERIFIER_SAMPLING = ("samples", "responses")  # keys of `judge.verifier` that the training itself does not need


class Layout:
    """The files and folders in a study's results folder.

    Paths are strings that begin with the folder as given. A name in them, such as a run's, may also be a Snakemake
    wildcard (`"{run}"`) or a glob (`"*"`).
    """

    def __init__(self, results_dir: str | os.PathLike[str]) -> None:
        self.root = root = os.fspath(results_dir)
        self.report = f"{root}/report.html"
        self.live = f"{root}/live.html"  # of `gavel watch`
        self.figures = f"{root}/figures"  # folder
        self.config = f"{root}/config.yaml"  # as resolved
        self.version = f"{root}/version.json"  # of Gavel (`gavel.study.results_version`)
        self.metrics = f"{root}/metrics.csv"
        self.comparisons = f"{root}/comparisons.csv"
        self.seeds = f"{root}/seeds.csv"
        self.samples = f"{root}/samples.parquet"
        self.data = DataFiles(f"{root}/data")
        self.withheld = f"{root}/withheld/unlabeled.jsonl"  # gold answers of unlabelled questions
        self.rollouts = f"{root}/rollouts.csv"  # every step of every RL run against the truth
        self.questions = f"{root}/questions.parquet"  # a few questions followed through training
        self.judge = JudgeFiles(f"{root}/judge")
        self.evaluations = f"{root}/evaluation"  # folder
        self.benchmarks = f"{root}/benchmarks"  # folder
        self.lm_eval = f"{root}/lm_eval"  # folder, of `gavel export` and `gavel harness`

    @property
    def unfinished(self) -> "Layout":
        """Report and tables of a study that stopped early."""
        return Layout(f"{self.root}/unfinished")

    def variant(self, name: str) -> "Layout":
        """The results folder of one of a sweep's variants."""
        return Layout(f"{self.root}/{name}")

    def hub(self, what: str) -> str:
        """A folder downloaded from the hub: the model `student` or `judge`, or `data/<key of a source>`."""
        return f"{self.root}/hub/{what}"

    def model(self, which: str) -> str:
        """The folder of a `student` or `judge` made from scratch."""
        return f"{self.root}/models/{which}"

    def converted(self, which: str) -> str:
        """The folder of a `student` or `judge` converted from a GGUF file."""
        return f"{self.root}/models/gguf/{which}"

    def runs(self, run: str) -> "RunFiles":
        """The files of a policy's training; `run` is the baseline or a run of the grid."""
        return RunFiles(f"{self.root}/runs/{run}")

    def replay(self, judge: str) -> "ReplayFiles":
        """The replay of every RL run with another judge."""
        return ReplayFiles(f"{self.root}/replay/{judge}")

    def evaluation(self, run: str, name: str) -> "EvaluationFiles":
        """A run's samples of the test set `name`."""
        return EvaluationFiles(f"{self.evaluations}/{run}/{name}")

    def usage(self, run: str) -> str:
        """Token counts of a run's responses on all test sets, and of the judging prompts for them."""
        return f"{self.evaluations}/{run}/usage.json"

    def prompt(self, run: str) -> str:
        """The first prompt of a run's evaluation, as the policy reads it."""
        return f"{self.evaluations}/{run}/prompt.json"

    def log(self, rule: "LoggedRule", **wildcards: str) -> str:
        """The log file of a rule's job; without `wildcards`, Snakemake's pattern for all its jobs.

        Raises:
            KeyError: some wildcards are given, but not all.
        """
        return f"{self.root}/logs/{rule.log.format_map(wildcards) if wildcards else rule.log}.log"

    def benchmark(self, rule: "LoggedRule") -> str:
        """Snakemake's pattern for a rule's benchmark files, one per job.

        Raises:
            ValueError: the rule has no benchmark file.
        """
        if rule.benchmark is None:
            raise ValueError(f"{rule} has no benchmark file")
        return f"{self.benchmarks}/{rule.benchmark}.tsv"


class LoggedRule(Protocol):
    """The log and benchmark files of a workflow rule (`gavel.study.rules.Rule`)."""

    log: str
    benchmark: str | None


class DataFiles:
    """The splits, in `data`."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.pretrain = f"{folder}/pretrain.jsonl"
        self.labeled = f"{folder}/labeled.jsonl"
        self.unlabeled = f"{folder}/unlabeled.jsonl"
        self.validation = f"{folder}/validation.jsonl"
        self.perturbed = f"{folder}/validation-perturbed.jsonl"
        self.splits = f"{folder}/splits.json"
        self.audit = f"{folder}/audit.json"

    def test(self, name: str) -> str:
        return f"{self.folder}/test/{name}.jsonl"


class RunFiles:
    """The files of a training run: a policy's in `runs/<run>`, a judge's in `judge/training/<stage>`."""

    def __init__(self, folder: str) -> None:
        self.best = f"{folder}/best"  # checkpoint folder
        self.final = f"{folder}/final"  # checkpoint folder
        self.monitor = f"{folder}/monitor.csv"
        self.training = f"{folder}/training.csv"
        self.run_json = f"{folder}/run.json"
        self.rollouts = f"{folder}/rollouts"  # folder, of RL runs
        self.examples = f"{folder}/examples.jsonl"  # of controls that SFT trains


class ReplayFiles:
    """A replay's files, in `replay/<judge>`."""

    def __init__(self, folder: str) -> None:
        self.steps = f"{folder}/replay.csv"
        self.summary = f"{folder}/replay.json"


class EvaluationFiles:
    """A run's samples of a test set, in `evaluation/<run>/<set>`; `alternate` ones come from the run's other
    checkpoint (`Checkpoints.other`)."""

    def __init__(self, folder: str) -> None:
        self.responses = f"{folder}/responses.jsonl"
        self.alternate_responses = f"{folder}/alternate-responses.jsonl"
        self.samples = f"{folder}/samples.jsonl"  # the responses, scored
        self.alternate = f"{folder}/alternate.jsonl"


class JudgeFiles:
    """The judge's verdicts, calibration, training and benchmark, in `judge`."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.verdicts = f"{folder}/calibration.jsonl"  # on samples of the baseline
        self.prompt = f"{folder}/prompt.json"  # the first judging prompt, as the judge reads it
        self.probes = f"{folder}/probes.jsonl"
        self.usage = f"{folder}/usage.json"  # for verdicts and probes
        self.calibration = f"{folder}/calibration.json"
        self.signal = f"{folder}/signal.json"  # whether RL has anything to learn from
        self.gate = f"{folder}/gate.json"
        self.policies = f"{folder}/policies.json"  # calibration on every RL run's samples
        self.benchmark_csv = f"{folder}/benchmark.csv"
        self.benchmark = JudgeBenchmarkFiles(f"{folder}/benchmark")
        self.labeled_pairs = f"{folder}/training/labelled-pairs.jsonl"
        self.selection_pairs = f"{folder}/training/selection-pairs.jsonl"
        self.labeled_responses = f"{folder}/training/labelled-responses.jsonl"
        self.selection_responses = f"{folder}/training/selection-responses.jsonl"

    def run_verdicts(self, run: str) -> str:
        """Verdicts on samples from the final checkpoint of an RL run."""
        return f"{self.folder}/runs/{run}.jsonl"

    def run_usage(self, run: str) -> str:
        return f"{self.folder}/runs/{run}-usage.json"

    def training(self, stage: str) -> RunFiles:
        """The files of a stage of the judge's training."""
        return RunFiles(f"{self.folder}/training/{stage}")

    def pairs(self, iteration: int | str) -> str:
        """Pairs of responses to unlabelled questions that a self-taught judge judges in an iteration."""
        return f"{self.folder}/training/pairs{iteration}.jsonl"

    def judgments(self, iteration: int | str) -> str:
        """Its judgments of these pairs."""
        return f"{self.folder}/training/judgments{iteration}.jsonl"


class JudgeBenchmarkFiles:
    """The items and each judge's answers on the judge benchmark, in `judge/benchmark`."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.items = f"{folder}/items.jsonl"  # the pairs of responses

    def answers(self, judge: str) -> str:
        return f"{self.folder}/{judge}.jsonl"

    def cost(self, judge: str) -> str:
        return f"{self.folder}/{judge}-cost.json"

    def written(self, judge: str) -> str:
        """A judge's written judgments of a few of the pairs."""
        return f"{self.folder}/{judge}-written.jsonl"


class JudgeStage(TypedDict):
    """One stage of training the judge: from the model folder `start`, on the file `data`; its best step is selected on
    the file `selection`."""

    method: str
    start: str
    data: str
    selection: str
    settings: dict[str, Any]


def judge_stages(study: dict[str, Any]) -> dict[str, JudgeStage]:
    """The stages in which the judge is trained before RL, in order; none if it is used as it is.

    Each starts from the previous stage's best checkpoint.
    """
    files, start = Layout(study["results_dir"]).judge, start_model(study, "judge")
    verifier, taught, rl = (study["judge"].get(key) for key in ("verifier", "self_taught", "rl"))
    stages: dict[str, JudgeStage] = {}

    def add(stage: str, method: str, data: str, settings: dict[str, Any]) -> None:
        nonlocal start
        selection = files.selection_responses if method == "verifier" else files.selection_pairs
        stages[stage] = JudgeStage(method=method, start=start, data=data, selection=selection, settings=settings)
        start = files.training(stage).best

    if verifier:
        settings = {key: value for key, value in verifier.items() if key not in VERIFIER_SAMPLING}
        add("verifier", "verifier", files.labeled_responses, {"steps": None} | settings)
    for number in range(1, (taught["iterations"] if taught else 0) + 1):
        for method in SELF_TAUGHT_STEPS:
            if taught[method]:
                settings = {"steps": None} | taught[method]
                add(f"iteration{number}-{method}", method, files.judgments(number), settings)
    if rl:
        add("rl", "grpo", files.labeled_pairs, rl)
    return stages


def judge_training_files(study: dict[str, Any]) -> list[str]:
    """The files of the judge's training that the report reads; none if the judge is not trained."""
    paths, files = [], Layout(study["results_dir"]).judge
    for stage in judge_stages(study):
        run = files.training(stage)
        paths += [run.run_json, run.monitor, run.training]
        if stage.startswith("iteration"):
            number = stage.removeprefix("iteration").partition("-")[0]
            paths += [files.judgments(number), files.pairs(number)]
    return list(dict.fromkeys(paths))


def model(study: dict[str, Any], which: str) -> str:
    """The model's folder, as given or as a rule makes, downloads or trains it; for a server, the model's name there."""
    if which == "judge" and (stages := judge_stages(study)):
        return Layout(study["results_dir"]).judge.training(list(stages)[-1]).best
    return start_model(study, which)


def start_model(study: dict[str, Any], which: str) -> str:
    """Like `model`, but the judge before its training; empty for a judge without a model."""
    name, files = study[which]["model"], Layout(study["results_dir"])
    if name == "scratch":
        return Layout(study["shared"][which] or study["results_dir"]).model(which)
    if which in gguf(study):
        return files.converted(which)
    return files.hub(which) if which in hub(study) else name or ""


def judge_is_local(study: dict[str, Any]) -> bool:
    """Whether jobs load the judge's model themselves; it may run on a server, or have no model."""
    return study["judge"]["model"] is not None and not study["judge"]["server"]


def readable_model(study: dict[str, Any], which: str) -> str | None:
    """Where a tokenizer can be read before the first job: the model's folder, or the GGUF file that it is made from.

    None for a model that a rule makes or downloads, and for a hub name.
    """
    if study[which]["model"] is None:
        return None
    place = start_model(study, which)
    if not Path(place).exists() and which in (sources := gguf(study)):
        place = str(Path(sources[which].path, sources[which].file or ""))
    return place if Path(place).exists() else None


def model_or_hub_name(study: dict[str, Any], which: str, trained: bool = True) -> str:
    """Like `model` (`start_model` if not `trained`), but the hub name or GGUF file of a model that is not made yet."""
    place = (model if trained else start_model)(study, which)
    return study[which]["model"] if which in {*hub(study), *gguf(study)} and not Path(place).exists() else place


def model_files(study: dict[str, Any]) -> dict[str, str]:
    """The model folders of student and judge that jobs wait for."""
    local = ["student", "judge"] if judge_is_local(study) else ["student"]
    return {which: model(study, which) for which in local}


def local_models(study: dict[str, Any]) -> dict[str, str]:
    """The folders of student and judge that exist before the study: key -> folder."""
    made = {*hub(study), *gguf(study)}
    folders = {which: start_model(study, which) for which in model_files(study)}
    return {key: path for key, path in folders.items() if study[key]["model"] != "scratch" and key not in made}


def data(study: dict[str, Any]) -> dict[str, Any]:
    """The section `data` without what only the audit reads, and with the folders of hub data sets as paths."""
    wanted, files = hub(study), Layout(study["results_dir"])

    def local(source: dict[str, Any] | None, key: str) -> dict[str, Any] | None:
        what = f"data/{key}"
        return {**source, "path": files.hub(what), "revision": None} if source and what in wanted else source

    section = {key: value for key, value in study["data"].items() if key != "ngram"}
    named = {key: local(section[key], key) for key in ("train", "pretrain")}
    return section | named | {"tests": {name: local(test, f"tests.{name}") for name, test in section["tests"].items()}}


class HubDownload(TypedDict):
    """A download from the hub; `kind` is `model` or `dataset`, and `file` the only file to download, if not all."""

    kind: str
    name: str
    revision: str | None
    file: NotRequired[str]


def hub(study: dict[str, Any]) -> dict[str, HubDownload]:
    """The study's downloads from the hub: folder below `hub/` -> what to download.

    The last part of the folder's name is the config key's.
    """
    tests = {f"tests.{name}": source for name, source in study["data"]["tests"].items()}
    named = {f"data/{key}": study["data"][key] for key in ("train", "pretrain")}
    named |= {f"data/{key}": source for key, source in tests.items()}
    downloads: dict[str, HubDownload] = {
        folder: {"kind": "dataset", "name": source["path"], "revision": source["revision"]}
        for folder, source in named.items()
        if source and source["path"] and not Path(source["path"]).exists()
    }
    for which in ("student", "judge"):
        section = study[which]
        here = which == "student" or judge_is_local(study)
        if here and section["model"] != "scratch" and not Path(section["model"]).exists():
            downloads[which] = {"kind": "model", "name": section["model"], "revision": section["revision"]}
            if section["gguf_file"]:
                downloads[which]["file"] = section["gguf_file"]
    return downloads


class GgufSource(NamedTuple):
    """A GGUF file to convert: a file's path, or a folder from the hub and the name of a file in it."""

    path: str
    file: str | None


def gguf(study: dict[str, Any]) -> dict[str, GgufSource]:
    """The GGUF files that the study converts: `student` or `judge` -> the file."""
    fetched, files = hub(study), Layout(study["results_dir"])
    sources: dict[str, GgufSource] = {}
    for which in ("student", "judge"):
        name, file = study[which]["model"], study[which]["gguf_file"]
        if which in fetched and file:
            sources[which] = GgufSource(files.hub(which), file)
        elif name and is_gguf(name) and not (which == "judge" and study["judge"]["server"]):
            sources[which] = GgufSource(name, None)
    return sources


def run_name(algorithm: str, lam: float, seed: int | None) -> str:
    """The name of a run of the grid; without a seed, that of its runs over all seeds."""
    return f"{algorithm}-lambda{lam:g}" + ("" if seed is None else f"-seed{seed}")


def grid(rl: Mapping[str, Any]) -> dict[str, RunColumns]:
    """The runs of a config's section `rl`."""
    every: dict[str, RunColumns] = {
        run_name(algorithm, lam, seed): {"algorithm": algorithm, "lambda": lam, "seed": seed, "control": None}
        for algorithm in rl["algorithms"]
        for lam in rl["lambda"]
        for seed in rl["seeds"]
    }
    return {run: about for run, about in every.items() if not rl.get("runs") or run in rl["runs"]}


def baseline(study: Mapping[str, Any]) -> str:
    """The run from which RL starts and with which every run is compared: `sft`, or without SFT the student, `base`."""
    return "base" if study["sft"] is None else "sft"


def runs(study: dict[str, Any]) -> dict[str, RunColumns]:
    """All runs of a study: the baseline first, then the grid, then the controls."""
    first = baseline(study)
    about: RunColumns = {"algorithm": first, "lambda": None, "seed": None, "control": None}
    return {first: about} | grid(study["rl"]) | controls(study)


def controls(study: Mapping[str, Any]) -> dict[str, RunColumns]:
    """The runs of section `controls`: RL with another reward, SFT on chosen samples, and the untrained student."""
    section, rl = study["controls"], study["rl"]
    algorithm = section["algorithm"] or rl["algorithms"][0]
    seeds = rl["seeds"] if section["seeds"] is None else section["seeds"]
    named = [(algorithm, control) for control in section["rewards"]] + [("sft", control) for control in section["sft"]]
    found: dict[str, RunColumns] = {
        f"{kind}-{control}-seed{seed}": {"algorithm": kind, "lambda": None, "seed": seed, "control": control}
        for kind, control in named
        for seed in seeds
    }
    if section["base"] and baseline(study) != "base":
        found["base"] = {"algorithm": "base", "lambda": None, "seed": None, "control": "base"}
    return found


def grid_runs(study: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The grid: run name (`<algorithm>-lambda<lambda>-seed<seed>`) -> its algorithm, lambda (`lam`) and seed."""
    return {
        run: {"algorithm": run_settings["algorithm"], "lam": run_settings["lambda"], "seed": run_settings["seed"]}
        for run, run_settings in grid(study["rl"]).items()
    }


def rl_runs(study: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The runs that RL trains: the grid's, and the controls with another reward, which have a `control`.

    A control's lambda is 0: its reward takes the judge's place, and no other part of the reward counts.
    """
    return grid_runs(study) | {
        run: {"algorithm": about["algorithm"], "lam": 0.0, "seed": about["seed"], "control": about["control"]}
        for run, about in controls(study).items()
        if about["control"] in study["controls"]["rewards"] and about["algorithm"] != "sft"
    }


def algorithms(study: dict[str, Any]) -> list[str]:
    """The algorithms of all RL runs, those of the grid first."""
    return list(dict.fromkeys([*study["rl"]["algorithms"], *(run["algorithm"] for run in rl_runs(study).values())]))


def sft_controls(study: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The controls that SFT trains on chosen samples: run -> `control` and `seed`."""
    return {
        run: {"control": about["control"], "seed": about["seed"]}
        for run, about in controls(study).items()
        if about["algorithm"] == "sft"
    }


class Checkpoints(NamedTuple):
    """Folders of a run's checkpoints: the one in the main results, and the other one if there are two."""

    main: str
    other: str | None


def checkpoints(study: dict[str, Any]) -> dict[str, Checkpoints]:
    """The checkpoints of each run.

    An RL run's main checkpoint is its final one, since selection by validation would hide a collapse. The SFT
    baseline is selected by validation, and RL starts from it. Without SFT the baseline's only checkpoint is the
    student's own folder.
    """
    files, first = Layout(study["results_dir"]), baseline(study)
    trained = [*rl_runs(study), *sft_controls(study)]
    found = {run: Checkpoints(files.runs(run).final, files.runs(run).best) for run in trained}
    base = Checkpoints(model(study, "student"), None)
    if first == "base":
        return {first: base} | found
    if study["controls"]["base"]:
        found["base"] = base
    return {first: Checkpoints(files.runs(first).best, files.runs(first).final)} | found


class ScoredFile(NamedTuple):
    """A file of scored samples; `name` is the test set's."""

    run: str
    checkpoint: str
    name: str
    path: str


def scored_files(study: dict[str, Any]) -> list[ScoredFile]:
    """The files of scored samples of a finished study, those of the main checkpoints first.

    Checkpoints are named as in metrics.csv: `last` or `best`. The only one of `base` is `last`.
    """
    files, folders = Layout(study["results_dir"]), checkpoints(study)
    names = {run: ("best", "last") if run == "sft" else ("last", "best") for run in runs(study)}
    found = []
    for rank in range(2):
        for run in (run for run in names if folders[run][rank] is not None):
            for name in study["data"]["tests"]:
                scored = files.evaluation(run, name)
                found.append(ScoredFile(run, names[run][rank], name, (scored.samples, scored.alternate)[rank]))
    return found


def primary_comparison(study: Mapping[str, Any], votes: int | None) -> Primary:
    """The comparison named in a study's section `primary`; `votes` is the largest k of maj@k."""
    named = study["primary"]
    seeds = study["rl"]["seeds"] if named["seed"] is None else [named["seed"]]
    seed = seeds[0] if len(seeds) == 1 else None
    return {
        "run": run_name(named["algorithm"], named["lambda"], seed),
        "runs": [run_name(named["algorithm"], named["lambda"], seed) for seed in seeds],
        "set": named["test_set"],
        "metric": named["metric"],
        "k": votes if named["metric"] == "maj" else 1,
    }


def primary(study: dict[str, Any]) -> Primary:
    """The study's primary comparison, for `gavel.evaluation.metrics.write_metrics`."""
    return primary_comparison(study, max(study["evaluation"]["ks"], default=None))
