import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from gavel.common.errors import InputError
from gavel.jobs.snakemake_lock import record_owner
from gavel.study import checks, sweep
from gavel.study.code_digest import code_digest
from gavel.study.layout import Layout
from gavel.study.rules import RULES

try:
    SWEEP = sweep.resolve(config, workflow.basedir)
except InputError as error:
    raise WorkflowError(str(error)) from None

LAYOUT, VARIANTS = Layout(SWEEP["results_dir"]), SWEEP["variants"]


def check_variants():
    """What can be checked in seconds before the first job, for each variant."""
    for name, settings in VARIANTS.items():
        try:
            checks.check(settings, here=workflow.local_exec)
        except InputError as error:
            raise WorkflowError(f"sweep.variants.{name}: {error}") from None
