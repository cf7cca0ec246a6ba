from typing import TYPE_CHECKING

from gavel.common.log import info, script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "base"):
    from gavel.jobs.job import plain_job
    from gavel.models.limits import limits
    from gavel.models.loading import Student
    from gavel.models.task import Task
    from gavel.training.base import validate

    params, files = snakemake.params, snakemake.output
    with plain_job(snakemake, "base", "base") as mirror:
        found = validate(
            model=str(snakemake.input.model),
            student=Student(**params.student),
            task=Task.from_config(params.solution),
            validation=snakemake.input.validation,
            monitor=files.monitor,
            summary=files.run,
            limits=limits(snakemake.config["evaluation"]),
        )
        mirror.mirror([{"step": 0, "metrics": {f"validation/{name}": value for name, value in found.items()}}])
        for path in (files.run, files.monitor):
            mirror.artifact(path)
    info(f"validation greedy {found['greedy']:.3f}", console=True)
