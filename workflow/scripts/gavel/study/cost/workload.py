"""What a study will do, counted from its config alone: completions, examples and judging prompts of every rule.

It mirrors the loops of `gavel.training.sft`, `gavel.training.rl.train`, `gavel.training.monitor`,
`gavel.judge_eval.verdicts`, `gavel.judge_eval.benchmark` and `gavel.evaluation.generate`; tests hold it against what
finished studies have written. The training of a judge is not counted: how many of its judgments are kept is known when
they are made.
"""

from dataclasses import dataclass
from typing import Any

from gavel.common.errors import InputError
from gavel.judge.kinds import is_comparative
from gavel.judge_eval.probes import PROBES, PROBLEMS, PROBLEMS_IN_PAIRS
from gavel.study import layout, params
from gavel.training.rl.algorithms import ALGORITHMS

# Questions of published data sets, by name and split, as their cards on the hub give them.
ROWS = {
    ("openai/gsm8k", "train"): 7473,
    ("openai/gsm8k", "test"): 1319,
    ("qintongli/GSM-Plus", "test"): 10552,
    ("qintongli/GSM-Plus", "testmini"): 2400,
    ("ChilleD/SVAMP", "train"): 700,
    ("ChilleD/SVAMP", "test"): 300,
}


@dataclass(frozen=True)
class Work:
    """What all jobs of a rule do together, or those of one RL algorithm.

    Attributes:
        rule: a name in `gavel.study.rules.RULES`.
        prompts: read for generation; completions of one prompt share it.
        completions: written by the student.
        examples: prompts with a completion that the student takes a training pass over.
        critic: those of them that a critic with a trunk of its own takes too.
        read: prompts with a completion that are read only: by the SFT policy for a KL term, or by the policy before
            the first of several optimiser steps.
        judged: judging prompts of one phrasing, at most (equal solutions are asked about once): one a solution, of a
            judge that compares two a pair.
        epochs_of_labels: whether the examples are the labelled solutions, not the student's own completions.
        algorithm: of the grid, of an RL run.
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
    """The rules that use the student or the judge, in the order of the workflow.

    Args:
        config: resolved (`gavel.study.resolve.resolve`).

    Raises:
        InputError: the number of questions of a data set is not known.
    """
    sizes = questions(config)
    cells = layout.cells(config)
    relative = is_comparative(config["judge"])
    judge = config["judge"]["calibration_samples"]
    sampled = sizes["validation"] + sizes["perturbed"]
    probed = min(PROBLEMS_IN_PAIRS if relative else PROBLEMS, sizes["validation"])
    # Of the probes one of each, where it applies.
    asked = prompts_for(sampled, judge, relative) + prompts_for(probed, len(PROBES), relative)
    return [
        sft(config["sft"], sizes),
        *judge_benchmark(config, sizes),
        Work("judge_policy", 1, sampled, sampled * judge, judged=asked),
        *(
            rl(config["rl"], [cell for cell in cells.values() if cell["algorithm"] == name], sizes, name, relative)
            for name in config["rl"]["algorithms"]
        ),
        Work(
            "judge_trained",
            len(cells),
            len(cells) * sizes["validation"],
            len(cells) * sizes["validation"] * judge,
            judged=prompts_for(len(cells) * sizes["validation"], judge, relative),
        ),
        *evaluation(config["evaluation"], 1 + len(cells), sizes["tests"], relative),
    ]


def prompts_for(count: int, solutions: int, relative: bool) -> int:
    """Judging prompts of so many groups of solutions: one a solution; of a judge that compares, each pair in both
    orders."""
    return count * solutions * (solutions - 1 if relative else 1)


def judge_benchmark(config: dict[str, Any], sizes: dict[str, Any]) -> list[Work]:
    """Samples of student and SFT policy and the latter's greedy solutions; two prompts a pair for every judge, be it
    one for each of its solutions or one for each order."""
    section = config["judge"]["benchmark"]
    if not section:
        return []
    problems, samples = min(section["questions"], sizes["validation"]), section["samples"]
    made = Work("benchmark_items", 1, 3 * problems, problems * (2 * samples + 1))
    judges = len(params.judges(config))
    return [made, Work("benchmark_judge", judges, judged=judges * 2 * problems * samples)]


def sft(settings: dict[str, Any], sizes: dict[str, Any]) -> Work:
    """Fine-tuning: whole batches only, and greedy validation before, between and after."""
    per_epoch = max(1, sizes["labeled"] // settings["batch_size"])
    steps = per_epoch * settings["epochs"]
    seen = validations(steps, per_epoch * settings["validate_every"]) * sizes["validation"]
    return Work("train_sft", 1, seen, seen, examples=steps * settings["batch_size"], epochs_of_labels=True)


def rl(
    settings: dict[str, Any], cells: list[dict[str, Any]], sizes: dict[str, Any], algorithm: str, relative: bool = False
) -> Work:
    """The grid's cells of one algorithm: rollouts, passes over them, and validations of two completions a question, one
    of which the judge sees; one that compares sees it beside the SFT policy's, which are sampled once."""
    kind, validation = ALGORITHMS[algorithm], settings["validation"]
    epochs, minibatches = kind.passes(settings["ppo"])
    rolled = settings["steps"] * settings["prompts_per_step"]
    completions = rolled * settings["num_generations"]
    asked = validations(settings["steps"], validation["every"]) * min(validation["questions"], sizes["validation"])
    judged_cells = sum(cell["lam"] < 1 for cell in cells)
    before = (epochs * minibatches > 1) + (settings["kl_coefficient"] > 0)
    own = kind.critic and settings["ppo"]["trunk"] == "own"
    sampled = 2 * asked + relative * min(validation["questions"], sizes["validation"])
    return Work(
        "train_rl",
        len(cells),
        len(cells) * (rolled + sampled),
        len(cells) * (completions + sampled),
        examples=len(cells) * completions * epochs,
        critic=len(cells) * completions * epochs * own,
        read=len(cells) * completions * before,
        judged=judged_cells * prompts_for(rolled, settings["num_generations"], relative)
        + len(cells) * asked * (1 + relative),
        algorithm=algorithm,
    )


def evaluation(settings: dict[str, Any], runs: int, tests: int, relative: bool = False) -> list[Work]:
    """Test samples of the checkpoint that counts, greedy ones of both, and what the judge is asked about the former."""
    samples, ways = settings["samples"], settings["best_of"]
    generated = Work("generate", runs, 3 * runs * tests, runs * tests * (samples + 2))
    asked = runs * tests
    judged = prompts_for(asked, samples + 1, relative)
    if ways == ["knockout"]:  # samples meet each other alone
        judged = 2 * asked * (samples - 1)
    elif ways != ["score"]:  # a round robin has the knockout's pairs too
        judged = prompts_for(asked, samples, relative)
    return [generated, Work("score", runs, judged=judged if settings["judge"] else 0)]


def validations(steps: int, every: int) -> int:
    """How often a run is validated: before its first step, at every multiple of `every`, after its last step."""
    return 1 + steps // every + (steps % every > 0)


def questions(config: dict[str, Any]) -> dict[str, Any]:
    """Numbers of questions: `labeled`, `unlabeled`, `validation`, `perturbed`, and `tests` of all sets together.

    Shares are of all training problems, of which repeated ones are left out later: upper bounds.
    """
    data = config["data"]
    parts = ("labeled", "unlabeled", "validation")
    whole = rows(data["train"], "data.train") if any(isinstance(data[p], float) and data[p] < 1 for p in parts) else 0
    found = {part: int(data[part] * whole) if data[part] < 1 else int(data[part]) for part in parts}
    found["perturbed"] = found["validation"] if data["train"]["reader"] == "generator" else 0
    return found | {"tests": sum(rows(source, f"data.tests.{name}") for name, source in data["tests"].items())}


def rows(source: dict[str, Any], key: str) -> int:
    """Questions of one source; of a JSON Lines file its lines. Raises `InputError` where that cannot be known."""
    if source["reader"] == "generator":
        return source["size"]
    count = ROWS.get((source["path"], source["split"]))
    if count is None and source["path"].endswith(".jsonl"):
        with open(source["path"], "rb") as handle:
            count = sum(1 for line in handle if line.strip())
    if count is None:
        raise InputError(
            f"{key}: how many questions {source['path']} has is not known before it is read; give a .jsonl file, or "
            f"one of {', '.join(' '.join(name) for name in ROWS)}"
        )
    return min(count, source["limit"] or count)
