"""The provenance of a report: versions, hardware, commit, command, and digests of the data."""

import datetime
from contextlib import suppress
from pathlib import Path
from typing import Any

from gavel.common.digests import HUB_RECORD, file_digest
from gavel.common.environment import git_commit, hardware, versions
from gavel.common.errors import InputError
from gavel.common.files import read_json
from gavel.data.generator.perturbations import UNSEEN
from gavel.study import layout
from gavel.study.cost.sizes import size_of
from gavel.study.layout import Layout


def gather(study: dict[str, Any], page: str | Path) -> dict[str, Any]:
    """`provenance` and `unseen_kinds` as `gavel.report.page.render` takes them.

    Args:
        study: the resolved config. Its data files are identified by the first 16 digits of their SHA-256, downloads
            from the hub by their commit.
        page: path of the report as on the command line.
    """
    results = Layout(study["results_dir"])
    files, records = sorted(Path(results.data.folder).rglob("*.jsonl")), hub_records(results)
    generated = any(source["reader"] == "generator" for source in study["data"]["tests"].values())
    return {
        "unseen_kinds": sorted(UNSEEN) if generated else None,
        "provenance": {
            "versions": versions(),
            "hardware": hardware(),
            "commit": git_commit(Path.cwd()),
            "command": f"snakemake --cores all {page}",
            "generated": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "data": {path.stem: file_digest(path)[:16] for path in files},
            "hub": {what: f"{about['name']} @ {about['commit']}" for what, about in sorted(records.items())},
            "padding": _chosen_padding(study),
            "parameters": _parameters(study),
        },
    }


def hub_records(files: Layout) -> dict[str, dict[str, Any]]:
    """What the study has read from the hub: folder below `hub/` -> the record that `gavel.data.hub` wrote there."""
    fetched = Path(files.hub(""))
    return {path.parent.relative_to(fetched).as_posix(): read_json(path) for path in fetched.rglob(HUB_RECORD)}


def _parameters(study: dict[str, Any]) -> dict[str, float]:
    """`student` and `judge` -> number of parameters, where it is known."""
    found = {}
    for which in ("student", "judge"):
        with suppress(InputError, KeyError, OSError):
            if place := layout.start_model(study, which):
                found[which] = size_of(place, which).parameters
    return found


def _chosen_padding(study: dict[str, Any]) -> dict[str, str]:
    """The student's pad token, if the jobs chose it because its own tokenizer has none that they can use."""
    if study["student"]["pad_token"]:
        return {}
    files = Layout(study["results_dir"])
    before = _special_tokens(layout.start_model(study, "student"))
    trained = next(filter(None, (_special_tokens(files.runs(run).best) for run in layout.runs(study))), {})
    own, used = before.get("pad_token"), trained.get("pad_token")
    if not before or used in (None, own):
        return {}
    reason = f"its tokenizer pads with {own}, also its end token" if own else "its tokenizer has no pad token"
    return {"student": f"{used} ({reason})"}


def _special_tokens(folder: str) -> dict[str, str]:
    """The special tokens that a model folder's tokenizer_config.json names; empty if there is none."""
    path = Path(folder, "tokenizer_config.json")
    found = read_json(path) if path.is_file() else {}
    tokens = {name: value for name, value in found.items() if name.endswith("_token")}
    return {name: value["content"] if isinstance(value, dict) else value for name, value in tokens.items() if value}
