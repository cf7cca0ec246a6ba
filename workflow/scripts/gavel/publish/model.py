"""The folder of a published model: the checkpoint's weights and tokenizer, or the adapters that LoRA has trained."""

import shutil
from pathlib import Path

from gavel.common.errors import InputError
from gavel.common.files import read_json, write_json
from gavel.data.hub import MODEL_FILES
from gavel.publish.chosen import Chosen, Plan, is_selected

WEIGHTS = "*.safetensors"
NOT_COPIED = "*.md"  # the published model gets a card of its own
ADAPTERS = ("adapter_config.json", "adapter_model.safetensors")  # peft's
SETTINGS = ("config.json", "generation_config.json")  # of a complete model; adapters have those of their base


def write_model(chosen: Chosen, plan: Plan, folder: Path) -> None:
    """Copy the model's files to a new folder.

    Raises:
        InputError: the checkpoint or the adapters are not there, or the run has none.
    """
    source = Path(chosen.checkpoint)
    if not any(source.glob(WEIGHTS)):
        raise InputError(
            f"{source}: has no weights ({WEIGHTS}), as if it was deleted to save space; run the study again, which "
            "trains this run anew, or restore the folder"
        )
    folder.mkdir(parents=True)
    patterns = [pattern for pattern in MODEL_FILES if pattern != NOT_COPIED]
    for path in sorted({path for pattern in [*patterns, WEIGHTS] for path in source.glob(pattern)}):
        if not plan.adapters or not (path.match(WEIGHTS) or path.name.startswith("model.") or path.name in SETTINGS):
            shutil.copyfile(path, folder / path.name)
    if plan.adapters:
        _write_adapters(chosen, plan, folder)


def base_model(chosen: Chosen, plan: Plan) -> str | None:
    """The hub's name of the model that the published one was made from; None if it is on no hub that is known.

    Raises:
        InputError: adapters are to be published, which need it, and the study does not tell it.
    """
    student = chosen.sources.get("student")
    trained_on = chosen.results.baseline.run
    if plan.base:
        return plan.base
    if student and (trained_on == "base" or not plan.adapters):
        return student["name"]
    if not plan.adapters:
        return None
    below = "the student, which is not from the hub" if trained_on == "base" else "the SFT policy"
    raise InputError(
        f"{chosen.run}: its adapters fit only {below}; publish that first and name it with --base-model, or leave out "
        "--adapters for the merged model"
    )


def _write_adapters(chosen: Chosen, plan: Plan, folder: Path) -> None:
    source, base = _adapters(chosen), base_model(chosen, plan)
    student = chosen.sources.get("student")
    config = read_json(source / ADAPTERS[0]) | {"base_model_name_or_path": base}
    config["revision"] = student["commit"] if student and student["name"] == base else None
    write_json(folder / ADAPTERS[0], config)
    shutil.copyfile(source / ADAPTERS[1], folder / ADAPTERS[1])


def _adapters(chosen: Chosen) -> Path:
    """The checkpoint with the adapters of the run's last step."""
    from gavel.training.state import COMPLETE  # torch takes seconds; only adapters need it

    run, about = chosen.run, chosen.about
    instead = "leave out --adapters for the merged model"
    if about["algorithm"] == "sft" or not about["settings"].get("lora"):
        raise InputError(f"{run}: only RL runs with rl.lora keep their adapters; {instead}")
    if is_selected(chosen):
        raise InputError(f"{run}: its result is its best checkpoint, whose adapters are not kept; {instead}")
    state = Path(chosen.results.files.root, "state", run, "checkpoints")
    complete = [path.parent for path in state.glob(f"checkpoint-*/{COMPLETE}")]
    newest = max(complete, key=lambda path: int(path.name.split("-")[1]), default=state)
    if missing := [name for name in ADAPTERS if not (newest / name).is_file()]:
        raise InputError(f"{newest}: has no {missing[0]}, as if the run's state was deleted; {instead}")
    return newest
