"""One RL run of six steps with the tiny model, as a function: for tests of what happens around training."""

from pathlib import Path

from gavel.common.files import write_jsonl
from gavel.jobs.launch import restore_dataclasses
from gavel.study import params
from gavel.study.schema.training import Rl
from gavel.training.rl import train


def small_run(folder: Path, tiny: str, rows: list[dict], output: str = "out", mirror=None, **changes) -> dict:
    """Train, or go on, in `folder`; returns the run's summary. Arguments as of `small_job`."""
    job = restore_dataclasses(train.train, small_job(folder, tiny, rows, output, **changes))
    return train.train(**job, mirror=mirror)


def small_job(folder: Path, tiny: str, rows: list[dict], output: str = "out", **changes) -> dict:
    """Keyword arguments of `gavel.training.rl.train.train`, plain values all, and the files that they name.

    Args:
        rows: at least 44 problems with programs.
        changes: of `gavel.training.rl.train.train`'s arguments, of its grid run's fields, or the `digest`; `settings`
            and `validation` are merged into the defaults.
    """
    keys = ("question", "gold", "program")
    records = [{"id": str(i)} | {key: row[key] for key in keys} for i, row in enumerate(rows)]
    files = {}
    for name, part in (("labeled", records[:10]), ("unlabeled", records[10:40]), ("validation", records[40:44])):
        files[name] = str(folder / f"{name}.jsonl")
        write_jsonl(files[name], [row | {"gold": None} for row in part] if name == "unlabeled" else part)
    settings = Rl(steps=6, prompts_per_step=2, num_generations=2, warmup=0, save_every=2, learning_rate=1e-3)
    settings = params.rl({"rl": settings.model_dump(by_alias=True)}) | changes.pop("settings", {})
    settings["validation"] = settings["validation"] | {"questions": 2, "every": 1} | changes.pop("validation", {})
    grid_run = {key: changes.pop(key) for key in ("algorithm", "lam", "seed", "control") if key in changes}
    common = {
        "grid_run": {"name": "x", "algorithm": "grpo", "lam": 0.5, "seed": 0} | grid_run,
        "run": {"output": str(folder / output), "state": str(folder / "state"), "digest": changes.pop("digest", "d")},
        "data": files,
        "student": {"dtype": "float32"},
        "start": tiny,
        "judge": {"model": tiny, "cache": "run"},
        "task": {"prompt": "solve", "format": "program", "max_new_tokens": 8},
        "keep_rollouts": 1,
    }
    return common | changes | {"settings": settings}
