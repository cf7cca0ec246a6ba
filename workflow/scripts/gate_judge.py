from typing import TYPE_CHECKING

from gavel.common.log import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "judge"):
    from gavel.common.errors import InputError
    from gavel.common.files import read_json, write_json
    from gavel.judge_eval.calibration import too_weak

    least = snakemake.params.least
    most = snakemake.params.most
    if reason := too_weak(read_json(snakemake.input.calibration), least, most):
        raise InputError(f"{reason}; RL is not run (judge.on_weak_judge: stop)")
    write_json(snakemake.output.gate, {"min_within_auc": least, "max_off_label": most, "passed": True})
