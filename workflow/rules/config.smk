import importlib.util
import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

# A clone has the library beside the scripts; with a wheel it is installed, also for rules that come from a remote
# repository. Relative to this file, not to `workflow.basedir`: another workflow may use this one as a module.
HERE = Path(workflow.current_basedir.get_path_or_uri(secret_free=True))
if (HERE.parent / "scripts" / "gavel").is_dir():
    sys.path.insert(0, str(HERE.parent / "scripts"))
if not importlib.util.find_spec("gavel"):
    raise WorkflowError(
        "Gavel's library is missing; install it beside Snakemake, in the version of these rules: pip install gavel-rl"
    )

from gavel.study import config_files, progress
from gavel.common.errors import InputError

STARTED = time.time()

# Local jobs need no rate limit. With one, Snakemake rechecks all ready jobs once a second for each job that has finished
# (https://github.com/snakemake/snakemake/pull/3744), which took 20 minutes of CPU time in a sweep of 452 jobs.
if workflow.scheduling_settings and workflow.resource_settings.nodes is None:
    workflow.scheduling_settings.max_jobs_per_timespan = None


def show_progress(studies):
    """Have each finished job's line say how much of the work is done; `studies` has each by its rules' prefix."""
    jobs = [
        progress.Job(job.jobid, job.rule.name, " ".join(job.wildcards_dict.values()))
        for job in workflow.dag.needrun_jobs()
    ]
    weights = progress.weights(jobs, studies)
    logger.addFilter(progress.Progress(jobs, weights, show=logger.info))


# Snakemake has read the files already, but does not report duplicate keys.
try:
    config_files.check_command_line(
        workflow.overwrite_configfiles,
        workflow.config_settings.config_args or (),
        config,
    )
except InputError as error:
    raise WorkflowError(str(error)) from None
