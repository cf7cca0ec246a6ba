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
    from gavel.models.task import Task
    from gavel.study.named_judge import watch_access
    from gavel.training.rl.rollout_server import rollout_access
    from gavel.training.rl.settings import RLSettings

    params = snakemake.params
    config, log = snakemake.config, snakemake.log[0]
    with (
        training_job(snakemake, "rl", run, params.settings, params.grid_run) as job,
        judge_access(config, log, snakemake.input.answers) as judge,
        rollout_access(config, str(snakemake.input.start), log) as vllm,
    ):
        train(
            "gavel.training.rl.train",
            config["compute"],
            snakemake.threads,
            **job,
            grid_run={"name": run} | params.grid_run,
            student=params.student,
            task=Task.from_config(params.solution),
            start=str(snakemake.input.start),
            data={name: snakemake.input[name] for name in ("labeled", "unlabeled", "validation")},
            judge=params.judge | judge,
            answers=list(snakemake.input.answers) if "control" in params.grid_run else [],
            watch={
                name: settings | watch_access(config, name, str(snakemake.input.validation))
                for name, settings in params.get("watch", {}).items()
            },
            keep_rollouts=config["rl"]["keep_rollouts"],
            settings=RLSettings.from_section(params.settings, vllm),
            limits=limits(config["evaluation"]),
        )
