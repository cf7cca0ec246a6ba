from snakemake.exceptions import WorkflowError

from gavel.common.errors import InputError
from gavel.common.paths import LIBRARY, ROOT, SCRIPTS
from gavel.jobs.snakemake_lock import record_owner
from gavel.study import checks, memory_check, named_judge, sweep
from gavel.study.code_digest import code_digest
from gavel.study.layout import Layout
from gavel.study.results_version import record_version
from gavel.study.rules import RULES

try:
    SWEEP = sweep.resolve(config, ROOT)
except InputError as error:
    raise WorkflowError(str(error)) from None

LAYOUT, VARIANTS = Layout(SWEEP["results_dir"]), SWEEP["variants"]


def check_variants():
    """Run each variant's quick checks before the first job."""
    for name, settings in VARIANTS.items():
        try:
            checks.check(settings, here=workflow.local_exec)
            named_judge.check_other_judges(settings, ROOT)
            memory_check.check_memory(
                settings,
                here=workflow.local_exec,
                attempts=1 + workflow.execution_settings.retries,
            )
            record_version(settings["results_dir"])
        except InputError as error:
            raise WorkflowError(f"sweep.variants.{name}: {error}") from None
