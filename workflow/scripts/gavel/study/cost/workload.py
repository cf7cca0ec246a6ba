"""A study's workload, counted from its config alone: responses, training examples and judging prompts of every rule.

It mirrors the loops of `gavel.training.sft`, `gavel.training.base`, `gavel.training.rl.train`,
`gavel.training.monitor`, `gavel.judge_eval.verdicts`, `gavel.judge_eval.benchmark` and `gavel.evaluation.generate`;
tests compare it with the files of finished studies. The training of a judge is not counted: the number of judgments
kept is not known in advance.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gavel.common.errors import InputError
from gavel.data import tables
from gavel.judge.kinds import is_comparative
from gavel.judge_eval.probes import PROBES, PROBLEMS, PROBLEMS_IN_PAIRS
from gavel.study import layout, params
from gavel.training.rl.algorithms import ALGORITHMS, Passes

# Number of questions in published data sets, by name and split, from their cards on the hub.
ROWS = {
    ("openai/gsm8k", "train"): 7473,
    ("openai/gsm8k", "test"): 1319,
    ("qintongli/GSM-Plus", "test"): 10552,
    ("qintongli/GSM-Plus", "testmini"): 2400,
    ("ChilleD/SVAMP", "train"): 700,
    ("ChilleD/SVAMP", "test"): 300,
    ("deepmind/aqua_rat", "train"): 97467,
    ("deepmind/aqua_rat", "validation"): 254,
    ("deepmind/aqua_rat", "test"): 254,
}
KINDS = {"gsm_plus": 8}  # kinds of question that a reader knows


@dataclass(frozen=True)
class Work:
    """The total workload of a rule's jobs, or of those with one RL algorithm.

    Attributes:
        rule: a name in `gavel.study.rules.RULES`.
        prompts: read for generation; all responses to a prompt share it.
        completions: responses written by the student.
        examples: prompts with a response that the student is trained on, counted once per pass.
        critic: the examples that a critic with its own trunk is trained on too.
        read: prompts with a response in forward passes only: by the baseline for a KL term, or by the policy before
            the first of several optimiser steps.
        judged: maximum number of judging prompts per phrasing (equal responses are judged once): one per response, or
            two per pair for a pairwise judge.
        epochs_of_labels: whether the examples are the labelled solutions, not the student's own responses.
        algorithm: the RL algorithm, for RL runs.
    """

    rule: str
    jobs: int
    prompts: int = 0
    completions: int = 0
    examples: int = 0
    critic: int = 0
    read: int = 0
    judged: int = 0
    epochs_of_labels: bool = False
    algorithm: str | None = None

    @property
    def label(self) -> str:
        return f"{self.rule}, {self.algorithm}" if self.algorithm else self.rule


def work(config: dict[str, Any]) -> list[Work]:
    """The workload of every rule that uses the student or the judge, in workflow order.

    Args:
        config: resolved (`gavel.study.resolve.resolve`).

    Raises:
        InputError: the number of questions in a data set is unknown.
    """
    sizes = questions(config)
    grid_runs = layout.grid_runs(config)
    comparative = is_comparative(config["judge"])
    judge = config["judge"]["calibration_samples"]
    sampled = sizes["validation"] + sizes["perturbed"]
    probed = min(PROBLEMS_IN_PAIRS if comparative else PROBLEMS, sizes["validation"])
    # One prompt per probe, where it applies.
    asked = prompts_for(sampled, judge, comparative) + prompts_for(probed, len(PROBES), comparative)
    if config["judge"]["reference_prompt"]:
        asked += prompts_for(sampled, judge, comparative)
    base = Work("validate_base", 1, sizes["validation"], sizes["validation"])
    return [
        *([sft(config["sft"], sizes)] if config["sft"] else []),
        *([base] if "base" in layout.runs(config) else []),
        *judge_benchmark(config, sizes),
        Work("judge_policy", 1, sampled, sampled * judge, judged=asked),
        *(
            rl(
                config["rl"],
                [run for run in layout.rl_runs(config).values() if run["algorithm"] == name],
                sizes,
                name,
                comparative,
                len(config["judge"]["watch"]),
            )
            for name in layout.algorithms(config)
        ),
        *sft_controls(config, sizes),
        *replays(config),
        Work(
            "judge_trained",
            len(grid_runs),
            len(grid_runs) * sizes["validation"],
            len(grid_runs) * sizes["validation"] * judge,
            judged=prompts_for(len(grid_runs) * sizes["validation"], judge, comparative),
        ),
        *evaluation(config, sizes["tests"], comparative),
    ]


def prompts_for(count: int, solutions: int, comparative: bool) -> int:
    """Judging prompts for `count` groups of responses: one per response, or for a pairwise judge, each pair in both
    orders."""
    return count * solutions * (solutions - 1 if comparative else 1)


def judge_benchmark(config: dict[str, Any], sizes: dict[str, Any]) -> list[Work]:
    """Samples from the student and the baseline, and greedy responses of the latter; then two prompts per pair for
    every judge: one for each response, or one for each order."""
    section = config["judge"]["benchmark"]
    if not section:
        return []
    count, samples = min(section["questions"], sizes["validation"]), section["samples"]
    sampled = 2 if config["sft"] else 1  # without SFT the student is the baseline
    items = Work("benchmark_items", 1, (sampled + 1) * count, count * (sampled * samples + 1))
    judges = len(params.judges(config))
    return [items, Work("benchmark_judge", judges, judged=judges * 2 * count * samples)]


def sft(settings: dict[str, Any], sizes: dict[str, Any]) -> Work:
    """Fine-tuning: full batches only, with greedy validation before, during and after training.

    An upper bound if not all labelled questions have a solution.
    """
    per_epoch = max(1, sizes["labeled"] // settings["batch_size"])
    steps = per_epoch * settings["epochs"]
    validated = validations(steps, per_epoch * settings["validate_every"]) * sizes["validation"]
    return Work("train_sft", 1, validated, validated, examples=steps * settings["batch_size"], epochs_of_labels=True)


def rl(
    settings: dict[str, Any],
    grid_runs: list[dict[str, Any]],
    sizes: dict[str, Any],
    algorithm: str,
    comparative: bool = False,
    watchers: int = 0,
) -> Work:
    """The grid's runs of one algorithm: rollouts, passes over them, and validations with two responses per question.

    The judge scores one of the two; a pairwise judge compares it with the baseline's response, which is sampled once.
    The judges that watch score it too, as if they were as large as the judge.
    """
    kind, validation = ALGORITHMS[algorithm], settings["validation"]
    epochs, minibatches = kind.passes(Passes(settings["ppo"]["epochs"], settings["ppo"]["minibatches"]))
    prompts = settings["steps"] * settings["prompts_per_step"]
    completions = prompts * settings["num_generations"]
    validated = validations(settings["steps"], validation["every"]) * min(validation["questions"], sizes["validation"])
    judged_runs = sum(run["lam"] < 1 and "control" not in run for run in grid_runs)
    forward_only = (epochs * minibatches > 1) + (settings["kl_coefficient"] > 0)
    own_trunk = kind.critic and settings["ppo"]["trunk"] == "own"
    sampled = 2 * validated + comparative * min(validation["questions"], sizes["validation"])
    return Work(
        "train_rl",
        len(grid_runs),
        len(grid_runs) * (prompts + sampled),
        len(grid_runs) * (completions + sampled),
        examples=len(grid_runs) * completions * epochs,
        critic=len(grid_runs) * completions * epochs * own_trunk,
        read=len(grid_runs) * completions * forward_only,
        judged=judged_runs * prompts_for(prompts, settings["num_generations"], comparative)
        + len(grid_runs) * validated * (1 + comparative + watchers),
        algorithm=algorithm,
    )


def sft_controls(config: dict[str, Any], sizes: dict[str, Any]) -> list[Work]:
    """Samples for the SFT controls, and training on them: an upper bound, as if every sample were accepted."""
    section, settings, runs = config["rl"], config["controls"], layout.sft_controls(config)
    if not runs:
        return []
    asked = section["steps"] * section["prompts_per_step"]
    sampled = {run: 0 if about["control"] == "all-answers" else asked for run, about in runs.items()}
    written = sum(sampled.values()) * section["num_generations"]
    judged = sum(asked * section["num_generations"] for about in runs.values() if about["control"] == "judge-accepted")
    examples = sum(count * section["num_generations"] or asked for count in sampled.values()) * settings["epochs"]
    validated = len(runs) * (1 + settings["epochs"]) * sizes["validation"]
    return [
        Work("control_examples", len(runs), sum(sampled.values()), written, judged=judged),
        Work("train_control", len(runs), validated, validated, examples=examples),
    ]


def replays(config: dict[str, Any]) -> list[Work]:
    """The completions of RL that other judges judge again, as if they were all different and each judge pointwise."""
    section, rl = config["replay"], config["rl"]
    if not section["judges"]:
        return []
    rollouts = -(-rl["steps"] // (rl["keep_rollouts"] * section["every"])) * len(layout.rl_runs(config))
    judged = rollouts * rl["prompts_per_step"] * rl["num_generations"]
    return [Work("replay_rollouts", len(section["judges"]), judged=len(section["judges"]) * judged)]


def evaluation(config: dict[str, Any], tests: int, comparative: bool = False) -> list[Work]:
    """Test samples from the main checkpoint, greedy responses from both, and the judging prompts for the former."""
    settings, checkpoints = config["evaluation"], layout.checkpoints(config).values()
    samples, methods, runs = settings["samples"], settings["best_of"], len(checkpoints)
    greedy = runs + sum(folders.other is not None for folders in checkpoints)
    sampled = tests - sum(_unsampled(config))
    generated = Work("generate", runs, runs * sampled + greedy * tests, runs * sampled * samples + greedy * tests)
    asked = runs * sampled
    judged = prompts_for(asked, samples + 1, comparative) + prompts_for(runs * (tests - sampled), 1, comparative)
    if methods == ["knockout"]:  # only samples are compared, without the greedy response
        judged = 2 * asked * (samples - 1)
    elif methods != ["score"]:  # a round robin includes the knockout's pairs
        judged = prompts_for(asked, samples, comparative)
    return [generated, Work("score", runs, judged=judged if settings["judge"] else 0)]


def _unsampled(config: dict[str, Any]) -> Iterator[int]:
    """For each test set that is sampled in part, the number of its questions that are not."""
    for name, number in config["evaluation"]["sampled_questions"].items():
        yield max(0, rows(config["data"]["tests"][name], f"data.tests.{name}") - number)


def validations(steps: int, every: int) -> int:
    """Number of validations in a run: before its first step, at every multiple of `every`, and after its last step."""
    return 1 + steps // every + (steps % every > 0)


def questions(config: dict[str, Any]) -> dict[str, Any]:
    """Numbers of questions: `labeled`, `unlabeled`, `validation`, `perturbed`, and `tests` for all test sets together.

    Fractions refer to all training questions, including duplicates that are removed later, so they give upper bounds.
    """
    data = config["data"]
    parts = ("labeled", "unlabeled", "validation")
    total = rows(data["train"], "data.train") if any(isinstance(data[p], float) and data[p] < 1 for p in parts) else 0
    counts = {part: int(data[part] * total) if data[part] < 1 else int(data[part]) for part in parts}
    counts["perturbed"] = counts["validation"] if data["train"]["reader"] == "generator" else 0
    return counts | {"tests": sum(rows(source, f"data.tests.{name}") for name, source in data["tests"].items())}


def rows(source: dict[str, Any], key: str) -> int:
    """Number of questions in a source; for a local file, its rows. Raises `InputError` if it is unknown."""
    if source["reader"] == "generator":
        return source["size"]
    count = ROWS.get((source["path"], source["split"]))
    if count is None and Path(source["path"]).is_file():
        count = tables.count_rows(Path(source["path"]), f"{key}.path")
    if count is None:
        raise InputError(
            f"{key}: the number of questions in {source['path']} is unknown before it is read; give a file, or one of "
            f" {', '.join(' '.join(name) for name in ROWS)}"
        )
    drawn = source["draw"] or (source["draw_per_kind"] or count) * KINDS.get(source["reader"], 1)
    return min(count, source["limit"] or count, drawn)
