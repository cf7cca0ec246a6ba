from typing import TYPE_CHECKING

import torch

from gavel.progress import say, script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "student from scratch"):
    from gavel.scratch import make_student

    torch.set_num_threads(snakemake.threads)
    make_student(snakemake.input.pretrain, snakemake.output.model, snakemake.params.recipe, say)
