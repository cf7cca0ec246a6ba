from typing import TYPE_CHECKING

from gavel.common.log import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "gate_judge"):
    from gavel.common.errors import InputError
    from gavel.common.files import read_json, write_json
    from gavel.judge_eval.calibration import weakness

    params = snakemake.params
    calibration = read_json(snakemake.input.calibration)
    if reason := weakness(calibration, params.min_within_auc, params.max_off_label):
        raise InputError(f"{reason}; RL is not run (judge.on_weak_judge: stop)")
    limits = {"min_within_auc": params.min_within_auc, "max_off_label": params.max_off_label}
    write_json(snakemake.output.gate, limits | {"passed": True})
