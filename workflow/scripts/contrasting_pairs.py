from typing import TYPE_CHECKING

from gavel.common.log import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "contrasting pairs"):
    from gavel.common.dataclass_config import from_section
    from gavel.jobs.threads import use_threads
    from gavel.models.limits import limits
    from gavel.models.loading import Student
    from gavel.models.policy import Policy
    from gavel.models.task import Task
    from gavel.solutions.answers import use_budget
    from gavel.training.judge.self_taught_settings import SelfTaughtSettings
    from gavel.training.judge.unlabeled_pairs import make_pairs

    use_threads(snakemake.threads)
    use_budget(snakemake.params.solution["batch_seconds"])
    params = snakemake.params
    task = Task.from_config(params.solution)
    make_pairs(
        unlabeled=snakemake.input.unlabeled,
        iteration=int(snakemake.wildcards.iteration),
        policy=Policy.load(
            str(snakemake.input.policy), Student(**params.student), task, limits(snakemake.config["evaluation"])
        ),
        task=task,
        temperature=params.temperature,
        settings=from_section(SelfTaughtSettings, params.settings, "judge.self_taught"),
        output=snakemake.output.pairs,
    )
