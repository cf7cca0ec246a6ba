import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Relative to this file, not to `workflow.basedir`: another workflow may use this one as a module.
sys.path.insert(0, str(Path(workflow.current_basedir).parent / "scripts"))

from gavel.study import config_files
from gavel.common.errors import InputError

STARTED = time.time()

# Snakemake has read the files already, but does not report duplicate keys.
try:
    config_files.check_command_line(
        workflow.overwrite_configfiles,
        workflow.config_settings.config_args or (),
        config,
    )
except InputError as error:
    raise WorkflowError(str(error)) from None
