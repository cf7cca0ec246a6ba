import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from gavel.common.log import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "shared"):
    # Hard links, so that weights take no extra space; files whose times Snakemake reads and sets are copied.
    ignored = shutil.ignore_patterns(".snakemake_timestamp")
    for source, target in zip(snakemake.input, snakemake.output, strict=True):
        if Path(source).is_dir():
            shutil.copytree(source, target, copy_function=os.link, dirs_exist_ok=True, ignore=ignored)
        else:
            shutil.copyfile(source, target)
