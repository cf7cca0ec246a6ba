from pathlib import Path
from typing import TYPE_CHECKING

from gavel.common.log import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

which = snakemake.wildcards.which
with script_log(snakemake.log[0], f"convert {which}"):
    from gavel.jobs.threads import use_threads
    from gavel.models import gguf

    use_threads(snakemake.threads)
    params, source = snakemake.params, str(snakemake.input.source)
    path = str(Path(source, params.file)) if params.file else source
    gguf.convert(path, snakemake.output.model, key=f"{which}.model", dtype=params.dtype)
