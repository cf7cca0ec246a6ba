"""Where everything of a study is: the tree of its results folder, its runs, its models and its data.

`Layout` is the only place that spells the tree; results/README.md says what is in the files.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypedDict

SELF_TAUGHT_STEPS = ("sft", "dpo")  # of an iteration of a self-taught judge, in this order


class Layout:
    """The files and folders in a study's results folder.

    Paths are texts that begin with the folder as it was given. A name in them, such as a run's, may also be a wildcard
    of Snakemake's (`"{run}"`) or of a glob (`"*"`).
    """

    def __init__(self, results_dir: str | os.PathLike[str]) -> None:
        self.root = root = os.fspath(results_dir)
        self.report = f"{root}/report.html"
        self.figures = f"{root}/figures"  # folder
        self.config = f"{root}/config.yaml"  # as resolved
        self.metrics = f"{root}/metrics.csv"
        self.comparisons = f"{root}/comparisons.csv"
        self.seeds = f"{root}/seeds.csv"
        self.samples = f"{root}/samples.parquet"
        self.data = DataFiles(f"{root}/data")
        self.judge = JudgeFiles(f"{root}/judge")
        self.evaluations = f"{root}/evaluation"  # folder
        self.benchmarks = f"{root}/benchmarks"  # folder

    @property
    def unfinished(self) -> "Layout":
        """Report and tables of a study that ended before its own."""
        return Layout(f"{self.root}/unfinished")

    def variant(self, name: str) -> "Layout":
        """The results folder of one of a sweep's variants."""
        return Layout(f"{self.root}/{name}")

    def hub(self, what: str) -> str:
        """A folder that was fetched from the hub: the model `student` or `judge`, or `data/<key of a source>`."""
        return f"{self.root}/hub/{what}"

    def model(self, which: str) -> str:
        """The folder of a `student` or `judge` made from scratch."""
        return f"{self.root}/models/{which}"

    def runs(self, run: str) -> "RunFiles":
        """What the training of a policy leaves; `run` is `sft` or a cell of the grid."""
        return RunFiles(f"{self.root}/runs/{run}")

    def evaluation(self, run: str, name: str) -> "EvaluationFiles":
        """A run's samples of the test set `name`."""
        return EvaluationFiles(f"{self.evaluations}/{run}/{name}")

    def usage(self, run: str) -> str:
        """Tokens of a run's responses on all test sets, and of the judge's prompts about them."""
        return f"{self.evaluations}/{run}/usage.json"

    def log(self, rule: "Logged", **wildcards: str) -> str:
        """The log file of a rule's job; without `wildcards` of all its jobs, as Snakemake writes that.

        Raises:
            KeyError: one of several wildcards is left out.
        """
        return f"{self.root}/logs/{rule.log.format_map(wildcards) if wildcards else rule.log}.log"

    def benchmark(self, rule: "Logged") -> str:
        """What a rule's jobs took, a file each, as Snakemake writes that.

        Raises:
            ValueError: the rule keeps no such file.
        """
        if rule.benchmark is None:
            raise ValueError(f"{rule} has no benchmark file")
        return f"{self.benchmarks}/{rule.benchmark}.tsv"


class Logged(Protocol):
    """A rule of the workflow (`gavel.study.rules.Rule`), as far as its own files go."""

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
    """What training leaves: of a policy in `runs/<run>`, of a judge in `judge/training/<stage>`."""

    def __init__(self, folder: str) -> None:
        self.best = f"{folder}/best"  # checkpoint, a folder
        self.final = f"{folder}/final"  # likewise
        self.monitor = f"{folder}/monitor.csv"
        self.training = f"{folder}/training.csv"
        self.run_json = f"{folder}/run.json"


class EvaluationFiles:
    """A run's samples of a test set, in `evaluation/<run>/<set>`; `alternate` ones are of the checkpoint that does not
    count."""

    def __init__(self, folder: str) -> None:
        self.responses = f"{folder}/responses.jsonl"
        self.alternate_responses = f"{folder}/alternate-responses.jsonl"
        self.samples = f"{folder}/samples.jsonl"  # the responses, scored
        self.alternate = f"{folder}/alternate.jsonl"


class JudgeFiles:
    """What the judge says of policies, and how it is trained, in `judge`."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.verdicts = f"{folder}/calibration.jsonl"  # on samples of the SFT policy
        self.probes = f"{folder}/probes.jsonl"
        self.usage = f"{folder}/usage.json"  # of verdicts and probes
        self.calibration = f"{folder}/calibration.json"
        self.gate = f"{folder}/gate.json"
        self.policies = f"{folder}/policies.json"  # the calibration on every RL run's samples
        self.benchmark_csv = f"{folder}/benchmark.csv"
        self.benchmark = JudgeBenchmarkFiles(f"{folder}/benchmark")
        self.labelled_pairs = f"{folder}/training/labelled-pairs.jsonl"
        self.selection_pairs = f"{folder}/training/selection-pairs.jsonl"

    def run_verdicts(self, run: str) -> str:
        """On samples of the last step of an RL run."""
        return f"{self.folder}/runs/{run}.jsonl"

    def run_usage(self, run: str) -> str:
        return f"{self.folder}/runs/{run}-usage.json"

    def training(self, stage: str) -> RunFiles:
        """What a stage of the judge's training leaves."""
        return RunFiles(f"{self.folder}/training/{stage}")

    def pairs(self, iteration: int | str) -> str:
        """Solutions of unlabelled questions that a self-taught judge is asked about in an iteration."""
        return f"{self.folder}/training/pairs{iteration}.jsonl"

    def judgments(self, iteration: int | str) -> str:
        """What it says of them."""
        return f"{self.folder}/training/judgments{iteration}.jsonl"


class JudgeBenchmarkFiles:
    """What each judge is asked and answers on the judge benchmark, in `judge/benchmark`."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.items = f"{folder}/items.jsonl"  # the pairs of solutions

    def answers(self, judge: str) -> str:
        return f"{self.folder}/{judge}.jsonl"

    def cost(self, judge: str) -> str:
        return f"{self.folder}/{judge}-cost.json"

    def written(self, judge: str) -> str:
        """What a judge writes about a few of the pairs."""
        return f"{self.folder}/{judge}-written.jsonl"


class JudgeStage(TypedDict):
    """How the judge is trained in one stage: from the model folder `start`, on the file `data`."""

    method: str
    start: str
    data: str
    settings: dict[str, Any]


def judge_stages(study: dict[str, Any]) -> dict[str, JudgeStage]:
    """The stages in which the judge is trained before it pays, in order; none where it pays as it is.

    Each starts from the best judge of the one before.
    """
    files, start = Layout(study["results_dir"]).judge, start_model(study, "judge")
    taught, rl = study["judge"]["self_taught"], study["judge"]["rl"]
    found: dict[str, JudgeStage] = {}

    def add(stage: str, method: str, data: str, settings: dict[str, Any]) -> None:
        nonlocal start
        found[stage] = {"method": method, "start": start, "data": data, "settings": settings}
        start = files.training(stage).best

    for number in range(1, (taught["iterations"] if taught else 0) + 1):
        for method in SELF_TAUGHT_STEPS:
            if taught[method]:
                settings = {"steps": None} | taught[method]
                add(f"iteration{number}-{method}", method, files.judgments(number), settings)
    if rl:
        add("rl", "grpo", files.labelled_pairs, rl)
    return found


def judge_training_files(study: dict[str, Any]) -> list[str]:
    """What the training of a study's judge leaves for its report; none where the judge pays as it is."""
    found, files = [], Layout(study["results_dir"]).judge
    for stage in judge_stages(study):
        left = files.training(stage)
        found += [left.run_json, left.monitor, left.training]
        if stage.startswith("iteration"):
            number = stage.removeprefix("iteration").partition("-")[0]
            found += [files.judgments(number), files.pairs(number)]
    return list(dict.fromkeys(found))


def model(study: dict[str, Any], which: str) -> str:
    """Where a model's files are: its folder, or where a rule makes, fetches or trains it; a server's name for it."""
    if which == "judge" and (stages := judge_stages(study)):
        return Layout(study["results_dir"]).judge.training(list(stages)[-1]).best
    return start_model(study, which)


def start_model(study: dict[str, Any], which: str) -> str:
    """As `model`, of a judge before it is trained."""
    name = study[which]["model"]
    if name == "scratch":
        return Layout(study["shared"][which] or study["results_dir"]).model(which)
    return Layout(study["results_dir"]).hub(which) if which in hub(study) else name


def model_now(study: dict[str, Any], which: str, trained: bool = True) -> str:
    """As `model` (`start_model` where not `trained`), but the hub name of what the study has not fetched yet."""
    place = (model if trained else start_model)(study, which)
    return study[which]["model"] if which in hub(study) and not Path(place).exists() else place


def model_files(study: dict[str, Any]) -> dict[str, str]:
    """The model folders among student and judge, which jobs wait for."""
    local = ["student"] if study["judge"]["server"] else ["student", "judge"]
    return {which: model(study, which) for which in local}


def shipped(study: dict[str, Any]) -> dict[str, str]:
    """The models among student and judge that neither this study makes nor the hub gives: key -> folder."""
    fetched = hub(study)
    found = {which: start_model(study, which) for which in model_files(study)}
    return {key: path for key, path in found.items() if study[key]["model"] != "scratch" and key not in fetched}


def data(study: dict[str, Any]) -> dict[str, Any]:
    """The section `data`, less what only the audit reads, with the folders of what is fetched from the hub."""
    wanted, files = hub(study), Layout(study["results_dir"])

    def local(source: dict[str, Any] | None, key: str) -> dict[str, Any] | None:
        what = f"data/{key}"
        return {**source, "path": files.hub(what), "revision": None} if source and what in wanted else source

    section = {key: value for key, value in study["data"].items() if key != "ngram"}
    named = {key: local(section[key], key) for key in ("train", "pretrain")}
    return section | named | {"tests": {name: local(test, f"tests.{name}") for name, test in section["tests"].items()}}


class Fetched(TypedDict):
    """What is fetched from the hub; `kind` is `model` or `dataset`."""

    kind: str
    name: str
    revision: str | None


def hub(study: dict[str, Any]) -> dict[str, Fetched]:
    """What is to be fetched from the hub, by the folder below `hub/`.

    The last part of the folder's name is that of the config's key.
    """
    tests = {f"tests.{name}": source for name, source in study["data"]["tests"].items()}
    named = {f"data/{key}": study["data"][key] for key in ("train", "pretrain")}
    named |= {f"data/{key}": source for key, source in tests.items()}
    found: dict[str, Fetched] = {
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


def run_name(algorithm: str, lam: float, seed: int) -> str:
    return f"{algorithm}-lambda{lam:g}-seed{seed}"


# What tells a run from the others; SFT has neither lambda nor seed. (`lambda` is a keyword, hence not a class.)
Cell = TypedDict("Cell", {"algorithm": str, "lambda": float | None, "seed": int | None})


def grid(rl: Mapping[str, Any]) -> dict[str, Cell]:
    """The runs of a config's section `rl`."""
    return {
        run_name(algorithm, lam, seed): {"algorithm": algorithm, "lambda": lam, "seed": seed}
        for algorithm in rl["algorithms"]
        for lam in rl["lambda"]
        for seed in rl["seeds"]
    }


def runs(study: dict[str, Any]) -> dict[str, Cell]:
    """All runs of a study, SFT first."""
    sft: Cell = {"algorithm": "sft", "lambda": None, "seed": None}
    return {"sft": sft} | grid(study["rl"])


def cells(study: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The grid: run name (`<algorithm>-lambda<lambda>-seed<seed>`) -> its algorithm, lambda (`lam`) and seed."""
    return {
        run: {"algorithm": cell["algorithm"], "lam": cell["lambda"], "seed": cell["seed"]}
        for run, cell in grid(study["rl"]).items()
    }


class Checkpoints(NamedTuple):
    """Folders of a run's checkpoints: the one that counts, and the other one."""

    headline: str
    other: str


def checkpoints(study: dict[str, Any]) -> dict[str, Checkpoints]:
    """The checkpoints of each run.

    The headline of an RL run is its last step, since picking by validation would hide a collapse; the SFT baseline is
    picked by validation, and RL starts from it.
    """
    files = Layout(study["results_dir"])
    found = {run: Checkpoints(files.runs(run).final, files.runs(run).best) for run in cells(study)}
    return {"sft": Checkpoints(files.runs("sft").best, files.runs("sft").final)} | found


class ScoredFile(NamedTuple):
    """A file of scored samples; `name` is that of the test set."""

    run: str
    checkpoint: str
    name: str
    path: str


def scored_files(study: dict[str, Any]) -> list[ScoredFile]:
    """The files of scored samples of a finished study, first those of the checkpoints that count.

    Checkpoints are called as in metrics.csv: `last` or `best`.
    """
    files = Layout(study["results_dir"])
    names = {run: ("best", "last") if run == "sft" else ("last", "best") for run in runs(study)}
    found = []
    for rank in range(2):
        for run in names:
            for name in study["data"]["tests"]:
                own = files.evaluation(run, name)
                found.append(ScoredFile(run, names[run][rank], name, (own.samples, own.alternate)[rank]))
    return found


class Primary(TypedDict):
    """The comparison with SFT that was named beforehand: of which run, on which test set, by which metric."""

    run: str
    set: str
    metric: str
    k: int | None


def primary_comparison(named: Mapping[str, Any], votes: int | None) -> Primary:
    """The comparison that a config's section `primary` names; `votes` is the largest k of maj@k."""
    run = run_name(named["algorithm"], named["lambda"], named["seed"])
    return {
        "run": run,
        "set": named["test_set"],
        "metric": named["metric"],
        "k": votes if named["metric"] == "maj" else 1,
    }


def primary(study: dict[str, Any]) -> Primary:
    """The primary comparison as `gavel.evaluation.metrics.write_metrics` takes it."""
    return primary_comparison(study["primary"], max(study["evaluation"]["ks"], default=None))
