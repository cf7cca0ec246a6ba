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

    asked = snakemake.params.judge
    with (
        plain_job(snakemake, "evaluate", run) as mirror,
        judge_access(snakemake.config, snakemake.log[0]) if asked else nullcontext() as access,
    ):
        judge = load.load(**asked | access) if asked else None
        numbers, written, met = {}, 0, {}
        for kind in ("samples", "alternate"):
            for questions, responses, output in zip(
                snakemake.input.tests, snakemake.input[kind], snakemake.output[kind], strict=True
            ):
                accuracies, tokens, spent = score(
                    questions=questions,
                    responses=responses,
                    output=output,
                    solution_format=snakemake.params.solution_format,
                    judge=judge if kind == "samples" else None,  # nothing asks for the alternate's
                    best_of=snakemake.params.best_of,
                )
                written += tokens
                if kind == "samples":
                    name = Path(output).parent.name
                    met |= {name: spent} if spent else {}
                    numbers |= {f"test/{name}/{metric}": value for metric, value in accuracies.items()}
        spent = judge.usage.tokens if judge else 0
        write_json(snakemake.output.usage, {"written": written, "judge": spent} | ({"comparisons": met} if met else {}))
        mirror.mirror([{"step": 0, "metrics": numbers | {"test/judge_tokens": spent}}])
