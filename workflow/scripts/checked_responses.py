from typing import TYPE_CHECKING

from gavel.common.log import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "responses with known correctness"):
    from gavel.jobs.threads import use_threads
    from gavel.judge_eval.checked_responses import make_responses
    from gavel.judge_eval.pairs import Source, questions_of
    from gavel.models.limits import limits
    from gavel.models.loading import Student
    from gavel.models.task import Task
    from gavel.solutions.answers import use_budget

    use_threads(snakemake.threads)
    use_budget(snakemake.params.solution["batch_seconds"])
    params, files = snakemake.params, snakemake.input
    untuned = [Source("student", str(files.student))] if files.student else []  # without SFT it is the baseline
    make_responses(
        rows=questions_of(files.problems, params.sampling["part"], params.sampling["questions"]),
        sources=[Source(params.baseline, str(files.policy)), *untuned],
        student=Student(**params.student),
        task=Task.from_config(params.solution),
        temperature=params.temperature,
        **{key: params.sampling[key] for key in ("samples", "most", "seed", "key")},
        output=snakemake.output.responses,
        limits=limits(snakemake.config["evaluation"]),
    )
