from pathlib import Path
from typing import TYPE_CHECKING

from gavel.progress import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

run = snakemake.wildcards.run
with script_log(snakemake.log[0], f"rl {run}"):
    from gavel.job import training_job
    from gavel.judge.access import judge_access
    from gavel.launch import train

    params = snakemake.params
    with training_job(snakemake, "rl", run, params.settings, params.cell) as job:
        train(
            "gavel.rl",
            snakemake.config["compute"],
            snakemake.threads,
            **job,
            **params.cell,
            name=run,
            student=params.student,
            start=str(snakemake.input.start),
            labeled=snakemake.input.labeled,
            unlabeled=snakemake.input.unlabeled,
            validation=snakemake.input.validation,
            judge_settings=params.judge | judge_access(snakemake.config),
            output=str(Path(snakemake.output.run).parent),
            settings=params.settings,
            solution_format=params.solution["format"],
            prompt=params.solution["prompt"],
            max_new_tokens=params.solution["max_new_tokens"],
        )
