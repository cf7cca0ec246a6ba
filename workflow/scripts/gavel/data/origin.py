"""What weights that were made from scratch have read: a note beside them, held against a study's data."""

from pathlib import Path

from gavel.common.digests import file_digest
from gavel.common.errors import InputError
from gavel.common.files import read_json

ORIGIN = "gavel.json"  # the note


def check_origin(model: str, key: str, pretrain: str | Path) -> None:
    """Weights made by this workflow must have read this study's pretrain split, or its splits could leak into tests.

    Raises:
        InputError: they were made from another one.
    """
    origin = Path(model) / ORIGIN
    if not origin.is_file():
        return
    made, here = read_json(origin)["pretrain_sha256"], file_digest(pretrain)
    if made != here:
        raise InputError(
            f"{key}: {model} was made from another pretrain split ({made[:12]}) than the study's ({here[:12]}), "
            f"so it may have read test questions; restore data.pretrain or set {key} to scratch"
        )
