from typing import TYPE_CHECKING

from gavel.common.log import info, script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "calibrate_judge"):
    from gavel.common.files import read_jsonl, write_json
    from gavel.jobs.job import plain_job
    from gavel.judge_eval import probes
    from gavel.judge_eval.calibration import judge_report, summary_line, weakness

    params = snakemake.params
    calibration = judge_report(list(read_jsonl(snakemake.input.verdicts)))
    weak = weakness(calibration, params.min_within_auc, params.max_off_label)
    further = {
        "probes": probes.summary(list(read_jsonl(snakemake.input.probes))),
        "too_weak": weak,
        "settings": params.judge,
    }
    write_json(snakemake.output.calibration, calibration | further)
    with plain_job(snakemake, "judge", "calibration") as mirror:
        numbers = {f"judge/{k}": v for k, v in calibration.items() if isinstance(v, int | float)}
        bound = calibration.get("reference", {})
        numbers |= {f"judge/reference/{k}": v for k, v in bound.items() if isinstance(v, int | float)}
        mirror.mirror([{"step": 0, "metrics": numbers}])
        mirror.artifact(snakemake.output.calibration)
    if weak:
        info(f"WARNING: {weak}", console=True)
    if truncated := calibration["truncated"]:
        count = f"{truncated} of {calibration['n']} judging prompts"
        info(f"WARNING: {count} exceeded judge.max_tokens or the judge's context and were truncated", console=True)
    info(summary_line(calibration), console=True)
    if bound:
        info(f"with the gold answer in its prompt, an upper bound: {summary_line(bound)}", console=True)
