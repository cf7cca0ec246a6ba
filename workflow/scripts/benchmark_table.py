from typing import TYPE_CHECKING

from gavel.common.log import info, script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "judge benchmark"):
    from gavel.common.digests import file_digest
    from gavel.common.files import read_json, read_jsonl
    from gavel.jobs.job import plain_job
    from gavel.judge_eval.benchmark_metrics import curve, summary_line, write_table

    files = zip(snakemake.params.judges, snakemake.input.answers, snakemake.input.costs, strict=True)
    judges = {name: (list(read_jsonl(answers)), read_json(cost)) for name, answers, cost in files}
    items = snakemake.input.pairs
    rows = write_table(snakemake.output.table, judges, list(read_jsonl(items)), file_digest(items)[:16])
    steps = {f"step {step}": name for step, name in enumerate(judges)}
    with plain_job(snakemake, "judge", "benchmark", steps) as mirror:
        mirror.mirror(curve(rows))
        mirror.artifact(snakemake.output.table)
    for row in rows:
        if row["by"] == "all":
            info(f"{row['judge']}: {summary_line(row)}", console=True)
