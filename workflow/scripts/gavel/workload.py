"""What a study will do, counted from its config alone: completions, examples and judgements of every rule.

It mirrors the loops of `gavel.sft`, `gavel.rl`, `gavel.monitor`, `gavel.verdicts` and `gavel.evaluation`; a test holds
it against what a finished study has written.
"""

from dataclasses import dataclass

from gavel import study
from gavel.algorithms import ALGORITHMS
from gavel.errors import InputError
from gavel.probes import PROBES
from gavel.verdicts import PROBED

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
    """What all jobs of a rule do together.

    Attributes:
        prompts: read for generation; completions of one prompt share it.
        completions: written by the student.
        examples: prompts with a completion that the student takes a training pass over.
        critic: those of them that a critic with a trunk of its own takes too.
        read: prompts with a completion that are read only: by the SFT policy for a KL term, or by the policy before
            the first of several optimiser steps.
        judged: solutions that the judge is asked about, at most (equal ones are asked about once).
        epochs_of_labels: whether the examples are the labelled solutions, not the student's own completions.
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


def work(config: dict) -> list[Work]:
    """The rules that use the student or the judge, in the order of the workflow.

    Args:
        config: resolved (`gavel.study.resolve`).

    Raises:
        InputError: the number of questions of a data set is not known.
    """
    sizes = questions(config)
    cells = study.cells(config)
    judge = config["judge"]["calibration_samples"]
    drawn = sizes["validation"] + sizes["perturbed"]
    probes = min(PROBED, sizes["validation"]) * len(PROBES)  # one of each a problem, where it applies
    return [
        sft(config["sft"], sizes),
        Work(
            "judge_policy",
            1,
            drawn,
            drawn * judge,
            judged=drawn * judge + probes,
        ),
        *(
            rl(config["rl"], [cell for cell in cells.values() if cell["algorithm"] == name], sizes, name)
            for name in config["rl"]["algorithms"]
        ),
        Work(
            "judge_trained",
            len(cells),
            len(cells) * sizes["validation"],
            len(cells) * sizes["validation"] * judge,
            judged=len(cells) * sizes["validation"] * judge,
        ),
        *evaluation(config["evaluation"], 1 + len(cells), sizes["tests"]),
    ]


def sft(settings: dict, sizes: dict) -> Work:
    """Fine-tuning: whole batches only, and a greedy look at all validation problems before, between and after."""
    per_epoch = max(1, sizes["labeled"] // settings["batch_size"])
    steps = per_epoch * settings["epochs"]
    seen = looks(steps, per_epoch * settings["check_every"]) * sizes["validation"]
    return Work("train_sft", 1, seen, seen, examples=steps * settings["batch_size"], epochs_of_labels=True)


def rl(settings: dict, cells: list[dict], sizes: dict, algorithm: str) -> Work:
    """The grid's cells of one algorithm: rollouts, passes over them, and looks of two completions a question."""
    kind, watch = ALGORITHMS[algorithm], settings["monitor"]
    epochs, minibatches = kind.passes(settings["ppo"])
    rolled = settings["steps"] * settings["prompts_per_step"]
    completions = rolled * settings["num_generations"]
    asked = looks(settings["steps"], watch["every"]) * min(watch["questions"], sizes["validation"])
    paid = sum(cell["lam"] < 1 for cell in cells)
    before = (epochs * minibatches > 1) + (settings["kl"] > 0)
    own = kind.critic and settings["ppo"]["trunk"] == "own"
    return Work(
        f"train_rl, {algorithm}",
        len(cells),
        len(cells) * (rolled + 2 * asked),
        len(cells) * (completions + 2 * asked),
        examples=len(cells) * completions * epochs,
        critic=len(cells) * completions * epochs * own,
        read=len(cells) * completions * before,
        judged=paid * completions + len(cells) * asked,
    )


def evaluation(settings: dict, runs: int, tests: int) -> list[Work]:
    """Test samples of the checkpoint that counts, greedy ones of both, and the judge's scores of the former."""
    samples = runs * tests * (settings["samples"] + 1)
    generated = Work("generate", runs, 3 * runs * tests, samples + runs * tests)
    return [generated, Work("score", runs, judged=samples if settings["judge"] else 0)]


def looks(steps: int, every: int) -> int:
    """How often a run is looked at: before its first step, at every multiple of `every`, after its last step."""
    return 1 + steps // every + (steps % every > 0)


def questions(config: dict) -> dict:
    """Numbers of questions: `labeled`, `unlabeled`, `validation`, `perturbed`, and `tests` of all sets together.

    Shares are of all training problems, of which repeated ones are left out later: upper bounds.
    """
    data = config["data"]
    parts = ("labeled", "unlabeled", "validation")
    whole = rows(data["train"], "data.train") if any(isinstance(data[p], float) and data[p] < 1 for p in parts) else 0
    found = {part: int(data[part] * whole) if data[part] < 1 else int(data[part]) for part in parts}
    found["perturbed"] = found["validation"] if data["train"]["reader"] == "generator" else 0
    return found | {"tests": sum(rows(source, f"data.tests.{name}") for name, source in data["tests"].items())}


def rows(source: dict, key: str) -> int:
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
