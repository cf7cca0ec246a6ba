from typing import TYPE_CHECKING

from gavel.common.log import info, script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

stage = snakemake.wildcards.stage
with script_log(snakemake.log[0], f"judge {stage}"):
    from gavel.common.files import read_json
    from gavel.jobs.job import training_job
    from gavel.jobs.launch import train

    params = snakemake.params
    with training_job(snakemake, "judge", f"judge-{stage}", params.settings) as job:
        train(
            "gavel.training.judge.train",
            snakemake.config["compute"],
            snakemake.threads,
            **job,
            method=params.method,
            start=str(snakemake.input.start),
            judge_settings=params.judge,
            data=snakemake.input.data,
            selection=snakemake.input.selection,
            settings=params.settings,
            name=stage,
        )
        summary = read_json(snakemake.output.run)
    if reason := summary.get("untrained"):
        info(f"not trained: {reason}", console=True)
    info(f"best step {summary['best_step']} of {summary['steps']}", console=True)
