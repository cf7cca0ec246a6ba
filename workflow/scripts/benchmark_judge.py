from typing import TYPE_CHECKING

from gavel.common.log import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], f"judge benchmark, {snakemake.wildcards.judge}"):
    from gavel.common.files import read_jsonl, write_json, write_jsonl
    from gavel.jobs.threads import use_threads
    from gavel.judge import load
    from gavel.judge.access import judge_access
    from gavel.judge_eval.benchmark import ask, check, written_judgments

    use_threads(snakemake.threads)
    with judge_access(snakemake.config, snakemake.log[0], snakemake.input.answers) as access:
        # No cache: cached answers cost nothing, and the benchmark measures the judge's cost too.
        judge = load.load(**snakemake.params.judge | access | {"cache": "off"})
        items = list(read_jsonl(snakemake.input.pairs))
        rows, cost = ask(judge, items)
        check(rows)
        write_jsonl(snakemake.output.written, written_judgments(judge, items))
    write_jsonl(snakemake.output.answers, rows)
    write_json(snakemake.output.cost, cost)
