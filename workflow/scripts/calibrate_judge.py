from typing import TYPE_CHECKING

from gavel.common.log import say, script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "judge"):
    from gavel.common.files import read_jsonl, write_json
    from gavel.jobs.job import plain_job
    from gavel.judge_eval import probes
    from gavel.judge_eval.calibration import headline, too_weak, whole

    params = snakemake.params
    found = whole(list(read_jsonl(snakemake.input.verdicts)))
    weak = too_weak(found, params.least, params.most)
    tricks = probes.summary(list(read_jsonl(snakemake.input.probes)))
    write_json(snakemake.output.calibration, found | {"probes": tricks, "too_weak": weak, "settings": params.judge})
    with plain_job(snakemake, "judge", "calibration") as mirror:
        numbers = {f"judge/{k}": v for k, v in found.items() if isinstance(v, int | float)}
        mirror.mirror([{"step": 0, "metrics": numbers}])
        mirror.artifact(snakemake.output.calibration)
    if weak:
        say(f"WARNING: {weak}", console=True)
    if cut := found["truncated"]:
        count = f"{cut} of {found['n']} judging prompts"
        say(f"WARNING: {count} were longer than judge.max_tokens or the judge's context and cut", console=True)
    say(headline(found), console=True)
