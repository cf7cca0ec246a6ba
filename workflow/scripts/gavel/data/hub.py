"""Download models and data sets from the Hugging Face hub before a study's jobs, which may run without a network.

Files are stored once for all studies, in the hub library's cache (`HF_HOME`). A study's folder links to the files of
one commit and records which commit.
"""

import os
import tempfile
from pathlib import Path

from gavel.common.digests import HUB_RECORD
from gavel.common.errors import InputError, first_line
from gavel.common.files import replace_folder, write_json

# The files of a model that transformers reads. Weights in other formats can double the download.
MODEL_FILES = ["*.json", "*.txt", "*.model", "*.jinja", "*.md"]
IGNORED_FILES = ["onnx/*", "original/*", "consolidated*", "openvino/*", "coreml/*", "flax*", "tf_*", "gguf/*"]
WEIGHTS = ("*.safetensors", "*.bin")  # the first pattern with a match


def fetch(name: str, *, kind: str, revision: str | None, folder: str | Path, key: str, file: str | None = None) -> str:
    """Fill a folder with links to the files of a model or data set, downloading those missing from the cache.

    Without a network, cached files are used. Gated and private repositories need a token in `HF_TOKEN`, or one saved
    by `hf auth login`.

    Args:
        name: name on the hub.
        kind: `model` or `dataset`.
        revision: commit, tag or branch; None is the current main branch.
        folder: replaced if it exists. Its `.hub.json` records kind, name, revision and commit.
        key: the config key that names the model or data set, for messages.
        file: the only file to take from a model's repository, a GGUF file.

    Returns:
        The commit.

    Raises:
        InputError: it is not on the hub, access is denied, there is no such revision or file, it has no weights, or it
            is neither reachable nor cached.
    """
    place = download(name, kind=kind, revision=revision, key=key, file=file)
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as made:
        partial = Path(made, "links")
        for path in (path for path in ([place / file] if file else place.rglob("*")) if path.is_file()):
            link = partial / path.relative_to(place)
            link.parent.mkdir(parents=True, exist_ok=True)
            os.symlink(path.resolve(), link)
        hub_record = {"kind": kind, "name": name, "revision": revision, "commit": place.name}
        hub_record |= {"file": file} if file else {}
        write_json(partial / HUB_RECORD, hub_record)
        replace_folder(partial, folder)
    return place.name


def download(name: str, *, kind: str, revision: str | None, key: str, file: str | None = None) -> Path:
    """Download a model or data set into the hub library's cache; returns its folder there, named after the commit.

    Takes the arguments of `fetch` and raises the same errors.
    """
    from huggingface_hub import errors, snapshot_download  # takes a second; only this rule needs it

    page = f"https://huggingface.co/{'datasets/' if kind == 'dataset' else ''}{name}"
    try:
        if kind == "dataset":
            return Path(snapshot_download(name, repo_type=kind, revision=revision))
        if file:
            place = Path(snapshot_download(name, revision=revision, allow_patterns=[file]))
            if (place / file).exists():
                return place
            raise InputError(
                f"{key}: {name} has no file {file} on the hub{_gguf_files(name, revision)}; check gguf_file"
            )
        for weights in WEIGHTS:
            wanted = [*MODEL_FILES, weights]
            place = Path(
                snapshot_download(name, revision=revision, allow_patterns=wanted, ignore_patterns=IGNORED_FILES)
            )
            if any(place.rglob(weights)):
                return place
    except errors.GatedRepoError:
        problem = f"is gated: accept its terms on {page}, then export HF_TOKEN with a token of that account"
    except errors.RevisionNotFoundError:
        problem = f"has no revision {revision!r}; {page} lists them"
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        problem = (
            "is neither a local file or folder nor on the hub; check the name, and if it is private, export HF_TOKEN "
            "with a token that can read it"
        )
    except (OSError, errors.EntryNotFoundError, errors.IncompleteSnapshotError) as error:
        problem = (
            f"cannot be downloaded, and the cached copy is incomplete ({first_line(error)}); check the network, "
            "HF_HUB_OFFLINE and HF_HOME, or name a local folder"
        )
    else:
        problem = f"has no weights that transformers can load ({' or '.join(WEIGHTS)}); choose another model"
    raise InputError(f"{key}: {name} {problem}")


def _gguf_files(name: str, revision: str | None) -> str:
    """The GGUF files in a model's repository, for a message; nothing if the hub does not answer."""
    from huggingface_hub import HfApi

    try:
        files = [file for file in HfApi().list_repo_files(name, revision=revision) if file.endswith(".gguf")]
    except Exception:  # the message only lacks the list
        return ""
    return f" (GGUF files there: {', '.join(sorted(files)) or 'none'})"
