from typing import TYPE_CHECKING

from gavel.common.log import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], f"replay with {snakemake.wildcards.judge}"):
    from contextlib import nullcontext
    from pathlib import Path

    from gavel.common.paths import JUDGE_CACHE, ROOT
    from gavel.jobs.threads import use_threads
    from gavel.judge import load
    from gavel.judge.access import judge_access
    from gavel.replay.rewards import Reward, Truth
    from gavel.replay.study import StudyRollouts, write_replay
    from gavel.solutions.answers import use_budget
    from gavel.study.layout import Layout
    from gavel.study.named_judge import named_judge

    name, params = snakemake.wildcards.judge, snakemake.params
    use_threads(snakemake.threads)
    use_budget(snakemake.config["solution"]["batch_seconds"])
    study = StudyRollouts(snakemake.config)
    truth = Truth(study.questions, study.rules())
    # Verdicts are kept: runs share many completions, and a resumed job asks for none twice.
    cache = Path(snakemake.config["results_dir"], "state", "replay", name, JUDGE_CACHE)
    judge = named_judge(snakemake.config["replay"]["judges"][name], ROOT, f"config: replay.judges.{name}")
    reached = judge_access(judge.study, snakemake.log[0], study.answers) if judge.study else nullcontext({})
    with reached as access:
        reward = Reward(load.load(**params.judge | access | {"cache": str(cache)}))
        replayed = [study.replay(run, reward, truth, every=params.every) for run in params.runs]
    write_replay(replayed, f"judge {name}", Layout(snakemake.config["results_dir"]).replay(name))
