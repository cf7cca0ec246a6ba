from typing import TYPE_CHECKING

from gavel.common.log import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "calibrate_trained"):
    from gavel.common.files import read_jsonl, write_json
    from gavel.judge_eval.calibration import judge_report

    files = zip(snakemake.params.runs, snakemake.input.verdicts, strict=True)
    write_json(snakemake.output.policies, {run: judge_report(list(read_jsonl(path))) for run, path in files})
