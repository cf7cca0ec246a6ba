from typing import TYPE_CHECKING

from gavel.progress import bar, say, script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "judge benchmark"):
    from gavel.batches import limits
    from gavel.benchmark_solutions import Policy, make_items
    from gavel.compute import use_threads

    use_threads(snakemake.threads)
    params, files = snakemake.params, snakemake.input
    make_items(
        problems=files.problems,
        policies=[Policy("student", str(files.student)), Policy("sft", str(files.sft), greedy="sft-greedy")],
        student=params.student,
        prompt=params.solution["prompt"],
        solution_format=params.solution["format"],
        max_new_tokens=params.solution["max_new_tokens"],
        temperature=params.temperature,
        **params.benchmark,
        output=snakemake.output.pairs,
        decoding=limits(snakemake.config["evaluation"]),
        progress=bar,
        say=say,
    )
