from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from gavel.common.log import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

run = snakemake.wildcards.run
with script_log(snakemake.log[0], f"score {run}"):
    from gavel.common.files import write_json
    from gavel.evaluation.score import score
    from gavel.jobs.job import plain_job
    from gavel.judge import load
    from gavel.judge.access import judge_access

    settings, answers = snakemake.params.judge, snakemake.input.answers
    with (
        plain_job(snakemake, "evaluate", run) as mirror,
        judge_access(snakemake.config, snakemake.log[0], answers) if settings else nullcontext() as access,
    ):
        judge = load.load(**settings | access) if settings else None
        metrics, written, comparisons = {}, 0, {}
        for kind in ("samples", "alternate"):
            for questions, responses, output in zip(
                snakemake.input.tests, snakemake.input[kind], snakemake.output[kind], strict=True
            ):
                accuracies, tokens, costs = score(
                    questions=questions,
                    responses=responses,
                    output=output,
                    solution_format=snakemake.params.solution_format,
                    answer_type=snakemake.params.answer_type,
                    judge=judge if kind == "samples" else None,  # the alternate checkpoint's scores are not used
                    best_of=snakemake.params.best_of,
                )
                written += tokens
                if kind == "samples":
                    name = Path(output).parent.name
                    comparisons |= {name: costs} if costs else {}
                    metrics |= {f"test/{name}/{metric}": value for metric, value in accuracies.items()}
        usage = {"written": written, "judge": judge.usage.tokens if judge else 0}
        write_json(snakemake.output.usage, usage | ({"comparisons": comparisons} if comparisons else {}))
        mirror.mirror([{"step": 0, "metrics": metrics | {"test/judge_tokens": usage["judge"]}}])
