from typing import TYPE_CHECKING

from gavel.common.log import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

run = snakemake.wildcards.run
with script_log(snakemake.log[0], f"control {run}"):
    from gavel.jobs.job import training_job
    from gavel.jobs.launch import train
    from gavel.models.limits import limits
    from gavel.models.task import Task

    params = snakemake.params
    with training_job(snakemake, "sft", run, params.settings, params.control) as job:
        train(
            "gavel.training.sft",
            snakemake.config["compute"],
            snakemake.threads,
            **job,
            **params.control,
            name=run,
            student=params.student | {"model": str(snakemake.input.start)},
            task=Task.from_config(params.solution),
            labeled=snakemake.input.labeled,
            validation=snakemake.input.validation,
            settings=params.settings,
            limits=limits(snakemake.config["evaluation"]),
        )
