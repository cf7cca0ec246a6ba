import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from gavel.common.errors import InputError
from gavel.common.paths import ACCELERATE, LIBRARY, ROOT, SCRIPTS
from gavel.jobs.snakemake_lock import clear_stale_lock, record_owner
from gavel.models import prompts
from gavel.solutions.answer_types import modules_of_other_types
from gavel.study import checks, layout, memory_check, resolve
from gavel.study import named_judge as judges
from gavel.study import params as job_params
from gavel.study.code_digest import code_digest
from gavel.study.layout import Layout
from gavel.study.results_version import record_version
from gavel.study.rules import RULES

try:
    config = resolve.resolve(config, ROOT)
    REPLAY_JUDGES = judges.replaying_judges(config, ROOT)
    WATCHERS = judges.watching_judges(config, ROOT)
    JUDGE = judges.judge_settings(config, ROOT)
except InputError as error:
    raise WorkflowError(str(error)) from None

if message := clear_stale_lock("."):
    print(message, file=sys.stderr)


onstart:
    # Runs before the first job, and only if there is one.
    record_owner(".")
    try:
        checks.check(config, here=workflow.local_exec)
        judges.check_other_judges(config, ROOT)
        memory_check.check_memory(
            config,
            here=workflow.local_exec,
            attempts=1 + workflow.execution_settings.retries,
        )
        record_version(config["results_dir"])
    except InputError as error:
        raise WorkflowError(str(error)) from None
    show_progress({"": config})


def by_attempt(first):
    """A resource that grows with each retry (`--retries`), for jobs that ran out of it."""
    return lambda wildcards, attempt: first * attempt


def prompt_files(*names):
    """Prompt files, as inputs: an edit of a prompt reruns only the rules that read it.

    Paths below the working directory are relative, so that a project can be moved.
    """
    found, here = [prompts.find(name) for name in names], Path.cwd()
    return [
        str(path.relative_to(here) if path.is_relative_to(here) else path)
        for path in found
    ]


LAYOUT = Layout(config["results_dir"])
TESTS = list(config["data"]["tests"])
GRID_RUNS = layout.grid_runs(config)
BASELINE = layout.baseline(config)
RL_RUNS = layout.rl_runs(config)
SFT_CONTROLS = layout.sft_controls(config)
RUNS = list(layout.runs(config))
CHECKPOINTS = layout.checkpoints(config)
START = CHECKPOINTS[BASELINE].main  # RL starts from it
STUDENT = job_params.student(config)
STUDENT_TOKENS = {key: value for key, value in STUDENT.items() if key != "model"}
SOLUTION = job_params.solution(config)
JUDGES = job_params.judges(config, JUDGE)
BENCHMARK = LAYOUT.judge.benchmark_csv if config["judge"]["benchmark"] else []
MODELS = layout.model_files(config)
if "panel" in JUDGE:
    MODELS["judge"] = judges.model_folders(JUDGE)
HUB = layout.hub(config)
GGUF = layout.gguf(config)
LOCAL_MODELS = layout.local_models(config)
SOLVING_PROMPT = prompt_files(config["solution"]["prompt"])
JUDGING_PROMPTS = prompt_files(*judges.prompts_of(JUDGE))
KNOWS_ANSWERS = judges.reads_answers(JUDGE)  # the judge is simulated from them
REFERENCE_PROMPT = (
    prompt_files(config["judge"]["reference_prompt"])[0]
    if config["judge"]["reference_prompt"]
    else []
)
THREADS = config["compute"]["threads"]
RESOURCES = {key: by_attempt(config["compute"][key]) for key in ("mem_mb", "runtime")}


def asks_for(rule):
    """The resources of a rule that trains, samples or judges."""
    # Slurm's plugin uses `gpu` both for the job and for the step within it.
    count = RULES[rule].gpus(config)
    return RESOURCES | ({"gpu": count} if count else {})


# A param, because weights trained by several processes differ in their last digits from those of one.
COMPUTE = {key: config["compute"][key] for key in ("processes", "distributed")}
LAUNCHER = (
    f"{ACCELERATE}/{COMPUTE['distributed']}.yaml" if COMPUTE["processes"] > 1 else []
)


TYPES_UNUSED = modules_of_other_types(config["data"]["answer_type"])
UNUSED = TYPES_UNUSED | judges.unused_modules(JUDGE)


def code(script, *unused):
    """Digest of a script and of the library code that it uses, so that an edit reruns the rules it affects."""
    return code_digest(SCRIPTS / script, LIBRARY, unused={*UNUSED, *unused})


def kept(patterns):
    """An input file, or a list of files, that is recreated if it was deleted.

    By default, Snakemake does not recreate a deleted input if the output exists. So deleted files are forced, as with
    `--forcerun FILE`.
    """

    def files(wildcards):
        paths = expand(patterns, **dict(wildcards.items()))
        lost = [path for path in paths if not Path(path).exists()]
        workflow.dag.forcefiles.update(lost)
        return paths[0] if isinstance(patterns, str) else paths

    return files


def each_run(patterns):
    """The files of every run, grouped by run."""
    return [path for run in RUNS for path in expand(patterns, run=run)]


def answers(*paths):
    """Files with the gold answers that a simulated judge needs; no other judge reads one."""
    return list(paths) if KNOWS_ANSWERS else []


def without(section, *keys):
    """A section of the config without some keys, whose changes then cause no rerun."""
    return {key: value for key, value in section.items() if key not in keys}
