from typing import TYPE_CHECKING

from gavel.common.log import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], f"replay with {snakemake.wildcards.judge}"):
    from contextlib import nullcontext
    from pathlib import Path

    from gavel.common.paths import JUDGE_CACHE
    from gavel.jobs.threads import use_threads
    from gavel.judge import load
    from gavel.judge.access import judge_access
    from gavel.replay.rewards import Reward, Truth
    from gavel.replay.study import StudyRollouts, write_replay
    from gavel.solutions.answers import use_budget
    from gavel.study.layout import Layout

    name, params = snakemake.wildcards.judge, snakemake.params
    use_threads(snakemake.threads)
    use_budget(snakemake.config["solution"]["batch_seconds"])
    study = StudyRollouts(snakemake.config)
    truth = Truth(study.questions, study.rules())
    # Verdicts are kept until all runs are done: runs share many completions, and a resumed job asks for none twice.
    cache = Path(snakemake.config["results_dir"], "state", "replay", name, JUDGE_CACHE)
    own = params.study
    with judge_access(own, snakemake.log[0], study.answers) if own else nullcontext({}) as access:
        reward = Reward(load.load(**params.judge | access | {"cache": str(cache)}))
        replayed = [study.replay(run, reward, truth, every=params.every) for run in params.runs]
    write_replay(replayed, f"judge {name}", Layout(snakemake.config["results_dir"]).replay(name))
