from typing import TYPE_CHECKING

from gavel.common.log import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

run = snakemake.wildcards.run
with script_log(snakemake.log[0], f"control_examples {run}"):
    from gavel.jobs.job import plain_job
    from gavel.judge.access import judge_access
    from gavel.models.limits import limits
    from gavel.models.loading import Student
    from gavel.models.task import Task
    from gavel.training.control_examples import Rollouts, write_examples

    params, files, config = snakemake.params, snakemake.input, snakemake.config
    with (
        plain_job(snakemake, "control_examples", run, params.control),
        judge_access(config, snakemake.log[0], files.answers) as access,
    ):
        write_examples(
            **params.control,
            labeled=files.labeled,
            unlabeled=files.unlabeled,
            withheld=files.withheld or None,
            start=str(files.start),
            student=Student(**params.student),
            task=Task.from_config(params.solution),
            judge=params.judge and params.judge | access,
            rollouts=Rollouts(**params.rollouts),
            output=snakemake.output.examples,
            limits=limits(config["evaluation"]),
        )
