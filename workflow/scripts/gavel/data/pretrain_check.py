"""Check that weights pretrained by this workflow have read a study's own pretrain split."""

from pathlib import Path

from gavel.common.digests import file_digest
from gavel.common.errors import InputError
from gavel.common.files import read_json

ORIGIN = "gavel.json"  # beside the weights


def check_origin(model: str, key: str, pretrain: str | Path) -> None:
    """Compare the pretrain split that a model was trained on, if it was trained by this workflow, with the study's.

    Weights trained on another pretrain split may have read this study's test questions.

    Args:
        pretrain: the study's split; an empty file if it has none.

    Raises:
        InputError: the model was trained on another pretrain split, or the study has none.
    """
    origin = Path(model) / ORIGIN
    if not origin.is_file():
        return
    trained_on, expected = read_json(origin)["pretrain_sha256"], file_digest(pretrain)
    if trained_on == expected:
        return
    if not Path(pretrain).stat().st_size:
        raise InputError(
            f"{key}: Gavel trained {model} on a pretrain split, which may share questions with this study's test sets; "
            "write that split as data.pretrain, or name another model"
        )
    raise InputError(
        f"{key}: {model} was trained on another pretrain split ({trained_on[:12]}) than the study's "
        f"({expected[:12]}), so it may have read test questions; restore data.pretrain or set {key} to scratch"
    )
