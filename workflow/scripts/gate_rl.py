from typing import TYPE_CHECKING

from gavel.common.log import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "gate_rl"):
    from gavel.common.errors import InputError
    from gavel.common.files import read_json, write_json
    from gavel.judge_eval.calibration import weakness

    params = snakemake.params
    reasons = {
        "judge.on_weak_judge": weakness(
            read_json(snakemake.input.calibration), params.min_within_auc, params.max_off_label
        ),
        "rl.signal.on_weak": read_json(snakemake.input.signal)["weak"],
    }
    if stopped := [f"{reasons[key]}; RL is not run ({key}: stop)" for key in params.stops if reasons[key]]:
        raise InputError("; ".join(stopped))
    write_json(snakemake.output.gate, {"passed": True} | reasons)
