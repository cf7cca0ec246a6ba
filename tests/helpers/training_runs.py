"""An MLflow store as a study's jobs leave it, but nobody has trained."""

from pathlib import Path
from types import SimpleNamespace

from gavel.common.journal import Journal
from gavel.jobs.job import plain_job, training_job
from gavel.tracking.study import add_results, send_unsent, study_run

STUDY = "tracked"
GRID = {
    f"grpo-lambda{lam}-seed{seed}": {"algorithm": "grpo", "lam": lam, "seed": seed}
    for lam in (0.0, 0.5)
    for seed in range(6)  # more runs than MLflow draws by itself
}
STEPS = 8
RESULTS = {run: {"test_accuracy": round(0.5 + number / 100, 4), "judge_reward": 0.8} for number, run in enumerate(GRID)}
RESULTS |= {"sft": {"test_accuracy": 0.4}}


def config(results: Path, uri: str | None = None) -> dict:
    return {"results_dir": str(results), "study": STUDY, "tracking": {"uri": uri}}


def log_runs(results: Path, uri: str | None = None) -> None:
    """SFT, a grid of RL and other jobs, without the results that the report's job adds."""
    train(results, "sft", "sft", {"seed": 3}, {}, uri)
    for run, cell in GRID.items():
        train(results, "rl", run, {"steps": STEPS}, cell, uri)
    train(results, "judge", "judge-sft", {"seed": 0}, {}, uri)
    with plain_job(_workflow(results, uri, "sft"), "evaluate", "sft") as mirror:
        mirror.mirror([{"step": 0, "metrics": {"test/main/greedy": 0.5}}])


def train(results: Path, rule: str, run: str, settings: dict, cell: dict, uri: str | None = None) -> None:
    """What a job that trains logs."""
    workflow = _workflow(results, uri, run)
    for path in workflow.output.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(run)
    with training_job(workflow, rule, run, settings, cell) as job:
        journal = Journal(results / "state" / run / "journal.jsonl")
        for step in range(0, STEPS + 1, 2):
            value = (cell.get("seed", 0) + step) / 100
            judged = {"validation/judge": round(0.6 + value, 2)} if rule == "rl" else {}
            journal.append(step, {"reward": step / 10, "validation/greedy": round(0.5 + value, 2)} | judged)
        job["mirror"].mirror(journal)


def report(results: Path, uri: str | None = None, found: dict | None = None) -> None:
    """What the report's job sends."""
    add_results(config(results, uri), RESULTS if found is None else found, print)
    send_unsent(config(results, uri), print)
    with study_run(config(results, uri), print):
        pass


def _workflow(results: Path, uri: str | None, run: str) -> SimpleNamespace:
    output = {name: results / "runs" / run / name for name in ("run", "monitor", "training")}
    return SimpleNamespace(threads=1, config=config(results, uri), params={}, input=[], output=output)
