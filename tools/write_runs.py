"""Write docs/project/what-has-been-run.md from the records in tests/records; none of its rows is written by hand.

A test that trains, evaluates or judges says what it has run: `record_run(engine="vllm-colocate", algorithm="grpo")`
(the fixture in tests/conftest.py). With `pytest --record-runs` a test that passes leaves these lines in the file of
records of its own file. `make record-runs` records the tests of `make test`, then writes the page.
"""

import fcntl
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gavel.common.files import write_text
from gavel.training.rl.algorithms import ALGORITHMS

ROOT = Path(__file__).parents[1]
TESTS, RECORDS = ROOT / "tests", ROOT / "tests" / "records"
PAGE = ROOT / "docs" / "project" / "what-has-been-run.md"
ENGINES = {
    "transformers": "transformers, in the job",
    "vllm-colocate": "vLLM, in the job",
    "vllm-server": "vLLM's server",
    "llama.cpp-server": "llama.cpp's server",
}
# What a row is about: an algorithm of the grid, or another stage of a study.
STAGES = ("sft", *ALGORITHMS, "judge-sft", "judge-dpo", "judge-rl", "judge", "evaluation")
DISTRIBUTED = ("ddp", "fsdp", "deepspeed")

HEAD = """# What has been run

Every row is from a test that ran it and passed; the tests write the records, and `make record-runs` writes this page
from them. What is not in the table has not been recorded. The results of the runs are not compared here.

- *engine* samples: rollouts in RL, responses in evaluation; for `judge` it answers the judging prompts.
- *processes* train together, with the config's `compute.distributed`.
- *resume*: the run was interrupted, and resumed from its checkpoint.
- *chat*: prompts go through the model's chat template.
- *model*: `tiny` has two layers and random weights, `shipped` is in `resources/models`.

"""


@dataclass(frozen=True)
class Run:
    """What a test has run.

    Attributes:
        engine: a key of `ENGINES`.
        algorithm: one of `STAGES`.
        distributed: how several processes share the work (the config's `compute.distributed`); None for one process.
        processes: their number.
        lora: adapters are trained.
        resume: the run was interrupted, and resumed from its checkpoint.
        chat: prompts go through the model's chat template.
        model: what was trained or sampled, in a word or two.
        device: `CPU`, or the GPU's name.

    Raises:
        ValueError: engine, algorithm or distributed is not one of those.
    """

    engine: str
    algorithm: str
    distributed: str | None
    processes: int
    lora: bool
    resume: bool
    chat: bool
    model: str
    device: str

    def __post_init__(self) -> None:
        known = {"engine": tuple(ENGINES), "algorithm": STAGES, "distributed": (None, *DISTRIBUTED)}
        for name, values in known.items():
            if getattr(self, name) not in values:
                choices = ", ".join(map(str, values))
                raise ValueError(f"record_run: {name} {getattr(self, name)!r} is not one of {choices}")


def file_of(test: str) -> Path:
    """The file of records of a test's file.

    Args:
        test: such as `tests/unit/training/test_lora.py::test_the_baseline_trains_adapters_too`.
    """
    return RECORDS / Path(test.partition("::")[0]).relative_to("tests").with_suffix(".jsonl")


def record(test: str, runs: Sequence[tuple[Run, dict[str, str]]]) -> None:
    """Replace a test's records by these runs, each with the versions of the packages that ran it."""
    context = {"date": f"{datetime.now(UTC):%Y-%m-%d}"} | _code()
    lines = [{"test": test, **asdict(run), **context, "versions": versions} for run, versions in runs]
    path = file_of(test)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # tests of one file may run in several processes
        handle.seek(0)
        rows = [row for row in map(json.loads, handle) if row["test"] != test] + lines
        handle.truncate(0)
        handle.writelines(json.dumps(row) + "\n" for row in sorted(rows, key=json.dumps))


def _code() -> dict[str, Any]:
    """The commit, and whether the code differs from it. Records do not count, which the previous test has written.

    `GAVEL_COMMIT` gives the commit on a machine that has a copy of the code without its history.
    """
    if commit := os.environ.get("GAVEL_COMMIT"):
        return {"commit": commit, "changed": False}
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, stdout=subprocess.PIPE, text=True).stdout
    others = [".", ":!tests/records", ":!docs/project/what-has-been-run.md"]
    status = [*git, "status", "--porcelain", "--", *others]
    changes = subprocess.run(status, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {"commit": commit.strip(), "changed": bool(changes.strip())}


def records() -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(RECORDS.rglob("*.jsonl")) for line in path.open(encoding="utf-8")]


def run_of(row: dict[str, Any]) -> Run:
    return Run(**{field.name: row[field.name] for field in fields(Run)})


def page(rows: Sequence[dict[str, Any]]) -> str:
    """The page: a row for each distinct run with the latest date, and the environments that they ran in."""
    latest: dict[Run, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: (row["date"], row["test"])):
        latest[run_of(row)] = row
    environments = list(dict.fromkeys(_environment(latest[run]) for run in sorted(latest, key=_order)))
    lines = ["| engine | algorithm | processes | LoRA | resume | chat | model | device | last run | in | by |"]
    lines.append("|" + "---|" * 11)
    for run in sorted(latest, key=_order):
        row = latest[run]
        path, _, name = row["test"].partition("::")
        marks = ["yes" if value else "" for value in (run.lora, run.resume, run.chat)]
        processes = f"{run.processes}, {run.distributed}" if run.distributed else "1"
        place = environments.index(_environment(row)) + 1
        cells = [ENGINES[run.engine], f"`{run.algorithm}`", processes, *marks, run.model, run.device, row["date"]]
        test = f"[{name.partition('[')[0]}](../../{path})"
        lines.append("| " + " | ".join([*cells, f"({place})", test]) + " |")
    lines += ["", "Environments:", ""]
    lines += [f"{number}. {text}" for number, text in enumerate(environments, start=1)]
    return HEAD + "\n".join(lines) + "\n"


def _environment(row: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in row["versions"].items())
    return f"{versions}; commit {row['commit'][:12]}{' with changes' if row['changed'] else ''}"


def _order(run: Run) -> tuple:
    places = (tuple(ENGINES).index(run.engine), STAGES.index(run.algorithm))
    return (*places, run.distributed or "", run.lora, run.resume, run.chat, run.model, run.device)


if __name__ == "__main__":
    write_text(PAGE, page(records()))
