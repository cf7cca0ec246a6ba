"""The folders of a published run, `model` and `dataset`: written at once, and used again when the upload goes on."""

import shutil
from pathlib import Path
from typing import NamedTuple, TypedDict

from gavel.common.digests import file_digest
from gavel.common.errors import InputError
from gavel.common.files import read_json, replace_folder, write_json, write_text
from gavel.publish.chosen import Chosen, Plan
from gavel.publish.dataset import CARD, write_dataset
from gavel.publish.model import write_model
from gavel.publish.model_card import model_card

RECORD = "published.json"  # beside the folders; it is not uploaded
MODEL, DATASET = "model", "dataset"  # also the hub's kinds of repository


class Published(TypedDict):
    """What the folders were made from.

    Attributes:
        plan: its fields.
        results: digests of the files that the cards' numbers come from.
    """

    run: str
    plan: dict[str, str | bool | None]
    results: dict[str, str]


class Upload(NamedTuple):
    """A folder and the repository that it is for; `repo` is None if it was not named."""

    kind: str
    folder: Path
    repo: str | None

    @property
    def files(self) -> dict[str, int]:
        """Relative path of each file -> its size in bytes."""
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path.stat().st_size for path in paths}


def write_folders(chosen: Chosen, plan: Plan, out: Path) -> list[Upload]:
    """Write the folders, unless the same ones are there already: then they are used as they are, edits included.

    Raises:
        InputError: `out` has something else, cannot be written, or a file of the study is missing or malformed.
    """
    record: Published = {"run": chosen.run, "plan": plan._asdict(), "results": _digests(chosen)}
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        _check_same(out, record)
    else:
        _write(chosen, plan, out, record)
    repos = {MODEL: plan.repo, DATASET: plan.dataset_repo}
    return [Upload(kind, out / kind, repos[kind]) for kind in (MODEL, DATASET)[: 1 + plan.dataset]]


def _write(chosen: Chosen, plan: Plan, out: Path, record: Published) -> None:
    partial = out.with_name(f".{out.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        write_model(chosen, plan, partial / MODEL)
        write_text(partial / MODEL / CARD, model_card(chosen, plan))
        if plan.dataset:
            write_dataset(chosen, plan, partial / DATASET)
        write_json(partial / RECORD, record)
        replace_folder(partial, out)
    except OSError as error:
        raise InputError(f"{error.filename or out}: {error.strerror}; check the path and the space there") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _check_same(out: Path, record: Published) -> None:
    other = "name another folder with --out, or delete this one"
    if not (out / RECORD).is_file():
        raise InputError(f"{out}: is not empty, and `gavel publish` has not written it; name another folder with --out")
    found = read_json(out / RECORD)
    if found.get("run") != record["run"]:
        raise InputError(f"{out}: holds the run {found.get('run')!r}; {other}")
    if found.get("plan") != record["plan"]:
        changed = [key for key, value in record["plan"].items() if (found.get("plan") or {}).get(key) != value]
        raise InputError(f"{out}: was written with other options ({', '.join(changed)}); {other}")
    if found.get("results") != record["results"]:
        raise InputError(f"{out}: was written from other results of this run; delete it, and give the command again")


def _digests(chosen: Chosen) -> dict[str, str]:
    files = chosen.results.files
    paths = (files.runs(chosen.run).run_json, files.metrics, files.comparisons, files.config)
    return {Path(path).name: file_digest(path) for path in paths if Path(path).is_file()}
