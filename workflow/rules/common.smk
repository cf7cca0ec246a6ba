import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from gavel import study
from gavel.errors import InputError
from gavel.locking import clear_stale_lock, record_owner
from gavel.provenance import code_digest

try:
    config = study.resolve(config, workflow.basedir)
except InputError as error:
    raise WorkflowError(str(error)) from None

if message := clear_stale_lock("."):
    print(message, file=sys.stderr)


onstart:
    # Runs before the first job, and only when there is one.
    record_owner(".")
    try:
        study.check(config, here=workflow.local_exec)
    except InputError as error:
        raise WorkflowError(str(error)) from None


def by_attempt(first):
    """A resource that grows with every `--retries`: a job that ended for want of it gets more."""
    return lambda wildcards, attempt: first * attempt


RESULTS = config["results_dir"]
TESTS = list(config["data"]["tests"])
CELLS = study.cells(config)
RUNS = ["sft", *CELLS]
CHECKPOINTS = study.checkpoints(config)
STUDENT = study.student(config)
STUDENT_TOKENS = {key: value for key, value in STUDENT.items() if key != "model"}
JUDGE = study.judge(config)
JUDGES = study.judges(config)
BENCHMARK = f"{RESULTS}/judge/benchmark.csv" if config["judge"]["benchmark"] else []
MODELS = study.model_files(config)
HUB = study.hub(config)
SHIPPED = study.shipped(config)
PROMPTS = [
    p
    for p in (config["solution"]["prompt"], *study.judge_prompts(config))
    if Path(p).is_file()
]
THREADS = config["compute"]["threads"]
RESOURCES = {key: by_attempt(config["compute"][key]) for key in ("mem_mb", "runtime")}


def asks_for(rule):
    """What a rule that trains, samples or judges asks for."""
    # `gpu` is the name that Slurm's plugin takes both for the job and for the step within it.
    count = study.gpus(config, rule)
    return RESOURCES | ({"gpu": count} if count else {})


# What several processes train differs in its last digits from what one does.
COMPUTE = {key: config["compute"][key] for key in ("processes", "distributed")}
LAUNCHER = (
    f"{SCRIPTS.parent}/accelerate/{COMPUTE['distributed']}.yaml"
    if COMPUTE["processes"] > 1
    else []
)


def code(script):
    """Digest of a script and of the library code that it uses, so that an edit reruns what it affects."""
    return code_digest(SCRIPTS / script, SCRIPTS / "gavel")


def kept(patterns):
    """An input file, or a list of them, that is made again when it was deleted.

    Snakemake alone takes an output that is still there as proof that what it was made from is not needed; a deleted
    file is therefore forced, as `--forcerun FILE` would.
    """

    def files(wildcards):
        paths = expand(patterns, **dict(wildcards.items()))
        lost = [path for path in paths if not Path(path).exists()]
        workflow.dag.forcefiles.update(lost)
        return paths[0] if isinstance(patterns, str) else paths

    return files


def each_run(patterns):
    """The files of every run, one run after the other."""
    return [path for run in RUNS for path in expand(patterns, run=run)]


def without(section, *keys):
    """A section of the config less some keys, so that those cause no rerun."""
    return {key: value for key, value in config[section].items() if key not in keys}
