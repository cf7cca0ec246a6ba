from typing import TYPE_CHECKING

from gavel.common.log import info, script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "measure_signal"):
    from gavel.common.files import read_json, read_jsonl, write_json
    from gavel.jobs.job import plain_job
    from gavel.judge_eval import signal

    params = snakemake.params
    counts = read_json(snakemake.input.splits)["counts"]
    plan = signal.Plan(**params.plan, test_questions=counts[f"test/{params.test_set}"])
    found = signal.measure(list(read_jsonl(snakemake.input.verdicts)), plan, signal.Limits(**params.limits))
    write_json(snakemake.output.signal, found)
    with plain_job(snakemake, "judge", "signal") as mirror:
        mirror.mirror([{"step": 0, "metrics": signal.as_metrics(found)}])
        mirror.artifact(snakemake.output.signal)
    if found["weak"]:
        info(f"WARNING: {found['weak']}", console=True)
    info(signal.summary_line(found), console=True)
