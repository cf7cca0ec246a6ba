from typing import TYPE_CHECKING

from gavel.common.log import info, script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "sft"):
    from gavel.common.files import read_json
    from gavel.jobs.job import training_job
    from gavel.jobs.launch import train
    from gavel.models.limits import limits
    from gavel.models.task import Task

    params = snakemake.params
    with training_job(snakemake, "sft", "sft", params.settings) as job:
        train(
            "gavel.training.sft",
            snakemake.config["compute"],
            snakemake.threads,
            **job,
            student=params.student,
            task=Task.from_config(params.solution),
            labeled=snakemake.input.labeled,
            validation=snakemake.input.validation,
            settings={key: value for key, value in params.settings.items() if key != "seed"},
            seed=params.settings["seed"],
            limits=limits(snakemake.config["evaluation"]),
        )
        summary = read_json(snakemake.output.run)
    info(f"best step {summary['best_step']} of {summary['steps']}", console=True)
