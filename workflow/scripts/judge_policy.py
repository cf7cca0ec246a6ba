from typing import TYPE_CHECKING

from gavel.common.log import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

run = snakemake.wildcards.get("run")  # the rule judge_trained has one
with script_log(snakemake.log[0], f"judge_trained {run}" if run else "judge_policy"):
    from gavel.jobs.threads import use_threads
    from gavel.judge.access import judge_access
    from gavel.judge_eval.verdicts import judge_policy
    from gavel.models.limits import limits
    from gavel.models.loading import Student
    from gavel.models.task import Task
    from gavel.solutions.answers import use_budget

    use_threads(snakemake.threads)
    use_budget(snakemake.params.solution["batch_seconds"])
    params = snakemake.params
    with judge_access(snakemake.config, snakemake.log[0], snakemake.input.answers) as access:
        judge_policy(
            model=str(snakemake.input.model),
            student=Student(**params.student),
            task=Task.from_config(params.solution),
            judge_settings=params.judge | access,
            problems=snakemake.input.problems,
            samples=params.samples,
            temperature=params.temperature,
            output=snakemake.output.verdicts,
            probes_output=snakemake.output.get("probes"),
            usage_output=snakemake.output.get("usage"),
            prompt_output=snakemake.output.get("prompt"),
            reference_prompt=snakemake.input.get("reference") or None,
            limits=limits(snakemake.config["evaluation"]),
        )
