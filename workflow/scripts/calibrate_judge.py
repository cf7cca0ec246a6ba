from typing import TYPE_CHECKING

from gavel.progress import bar, say, script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "judge"):
    from gavel.calibration import judge_samples
    from gavel.job import plain_job

    params = snakemake.params
    with plain_job(snakemake, "judge", "calibration") as mirror:
        found = judge_samples(
            model=str(snakemake.input.model),
            student=params.student,
            judge_settings=params.judge,
            validation=snakemake.input.validation,
            prompt=params.solution["prompt"],
            solution_format=params.solution["format"],
            max_new_tokens=params.solution["max_new_tokens"],
            samples=params.samples,
            temperature=params.temperature,
            output=snakemake.output.calibration,
            items=snakemake.output.verdicts,
            progress=bar,
        )
        numbers = {f"judge/{k}": v for k, v in found.items() if isinstance(v, int | float)}
        mirror.mirror([{"step": 0, "metrics": numbers}])
        mirror.artifact(snakemake.output.calibration)
    within = "undefined" if found["auc_within"] is None else f"{found['auc_within']:.3f}"
    say(f"accuracy {found['accuracy']:.3f}, AUC within questions {within}", console=True)
