from pathlib import Path
from typing import TYPE_CHECKING

from gavel.common.log import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

run = snakemake.wildcards.run
with script_log(snakemake.log[0], f"rl {run}"):
    from gavel.jobs.job import training_job
    from gavel.jobs.launch import train
    from gavel.judge.access import judge_access
    from gavel.models.limits import limits
    from gavel.models.loading import Student
    from gavel.models.task import Task
    from gavel.training.rl.rollout_server import rollout_access

    params = snakemake.params
    config, log = snakemake.config, snakemake.log[0]
    with (
        training_job(snakemake, "rl", run, params.settings, params.cell) as job,
        judge_access(config, log) as judge,
        rollout_access(config, str(snakemake.input.start), log) as vllm,
    ):
        train(
            "gavel.training.rl.train",
            config["compute"],
            snakemake.threads,
            **job,
            **params.cell,
            name=run,
            student=Student(**params.student),
            task=Task.of(params.solution),
            start=str(snakemake.input.start),
            labeled=snakemake.input.labeled,
            unlabeled=snakemake.input.unlabeled,
            validation=snakemake.input.validation,
            judge_settings=params.judge | judge,
            output=str(Path(snakemake.output.run).parent),
            settings=params.settings | {"vllm": vllm},
            limits=limits(config["evaluation"]),
        )
