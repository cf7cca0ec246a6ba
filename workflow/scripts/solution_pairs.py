from typing import TYPE_CHECKING

from gavel.common.log import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "pairs of solutions"):
    from gavel.jobs.threads import use_threads
    from gavel.judge_eval.pairs import Policy, make_items, problems_of
    from gavel.models.limits import limits
    from gavel.solutions.budget import use_budget

    use_threads(snakemake.threads)
    use_budget(snakemake.params.solution["batch_seconds"])
    params, files = snakemake.params, snakemake.input
    make_items(
        rows=problems_of(files.problems, params.drawn["part"], params.drawn["questions"]),
        policies=[Policy("student", str(files.student)), Policy("sft", str(files.sft), greedy="sft-greedy")],
        student=params.student,
        prompt=params.solution["prompt"],
        solution_format=params.solution["format"],
        max_new_tokens=params.solution["max_new_tokens"],
        temperature=params.temperature,
        **{key: params.drawn[key] for key in ("samples", "most", "seed")},
        output=snakemake.output.pairs,
        decoding=limits(snakemake.config["evaluation"]),
    )
