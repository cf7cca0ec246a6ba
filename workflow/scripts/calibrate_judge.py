from typing import TYPE_CHECKING

from gavel.progress import say, script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "judge"):
    from gavel.calibration import calibrate
    from gavel.files import read_jsonl, write_json
    from gavel.job import plain_job
    from gavel.judge import Verdict

    rows = list(read_jsonl(snakemake.input.verdicts))
    verdicts = [Verdict(row["judge"], row["off_label_mass"], row["truncated"]) for row in rows]
    found = calibrate([row["id"] for row in rows], verdicts, [row["correct"] for row in rows])
    write_json(snakemake.output.calibration, found | {"settings": snakemake.params.judge})
    with plain_job(snakemake, "judge", "calibration") as mirror:
        numbers = {f"judge/{k}": v for k, v in found.items() if isinstance(v, int | float)}
        mirror.mirror([{"step": 0, "metrics": numbers}])
        mirror.artifact(snakemake.output.calibration)
    within = "undefined" if found["auc_within"] is None else f"{found['auc_within']:.3f}"
    say(f"accuracy {found['accuracy']:.3f}, AUC within questions {within}", console=True)
