"""Models and data sets of the Hugging Face hub, brought to a study before its jobs, which may run without a network.

The files lie once, in the hub library's cache (`HF_HOME`), for all studies; a study's folder links to those of one
commit and says which it is.
"""

import os
import tempfile
from pathlib import Path

from gavel.common.digests import HUB_RECORD
from gavel.common.errors import InputError, first_line
from gavel.common.files import replace_folder, write_json

# Of a model: what transformers reads. Weights in a second format, and other programs' files, can be as large again.
MODEL_FILES = ["*.json", "*.txt", "*.model", "*.jinja", "*.md"]
NOT_READ = ["onnx/*", "original/*", "consolidated*", "openvino/*", "coreml/*", "flax*", "tf_*", "gguf/*"]
WEIGHTS = ("*.safetensors", "*.bin")  # the first that there is


def fetch(name: str, *, kind: str, revision: str | None, folder: str | Path, key: str) -> str:
    """Fill a folder with links to the files of a model or data set, downloading what the cache lacks.

    Without a network, what an earlier call left in the cache is taken. Gated and private ones need a token in
    `HF_TOKEN`, or one that `hf auth login` has kept.

    Args:
        name: on the hub.
        kind: `model` or `dataset`.
        revision: commit, tag or branch; None is the main branch as it is now.
        folder: takes the place of what is there. `.hub.json` in it holds kind, name, revision and commit.
        key: the config key that names it, for messages.

    Returns:
        The commit.

    Raises:
        InputError: it is not on the hub, may not be read, has no such revision or no weights, or can neither be reached
            nor is it in the cache.
    """
    place = download(name, kind=kind, revision=revision, key=key)
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as made:
        partial = Path(made, "links")
        for path in (path for path in place.rglob("*") if path.is_file()):
            link = partial / path.relative_to(place)
            link.parent.mkdir(parents=True, exist_ok=True)
            os.symlink(path.resolve(), link)
        about = {"kind": kind, "name": name, "revision": revision, "commit": place.name}
        write_json(partial / HUB_RECORD, about)
        replace_folder(partial, folder)
    return place.name


def download(name: str, *, kind: str, revision: str | None, key: str) -> Path:
    """Bring a model or data set into the hub library's cache; returns its folder there, named by the commit.

    Arguments and errors are those of `fetch`.
    """
    from huggingface_hub import errors, snapshot_download  # a second, which only this rule pays

    page = f"https://huggingface.co/{'datasets/' if kind == 'dataset' else ''}{name}"
    try:
        if kind == "dataset":
            return Path(snapshot_download(name, repo_type=kind, revision=revision))
        for weights in WEIGHTS:
            wanted = [*MODEL_FILES, weights]
            place = Path(snapshot_download(name, revision=revision, allow_patterns=wanted, ignore_patterns=NOT_READ))
            if any(place.rglob(weights)):
                return place
    except errors.GatedRepoError:
        problem = f"is gated: accept its terms on {page}, then export HF_TOKEN with a token of that account"
    except errors.RevisionNotFoundError:
        problem = f"has no revision {revision!r}; {page} lists them"
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        problem = (
            "is neither a file or folder here nor on the hub; check the name, and if it is private, export HF_TOKEN "
            "with a token that may read it"
        )
    except (OSError, errors.EntryNotFoundError, errors.IncompleteSnapshotError) as error:
        problem = (
            f"cannot be downloaded, and is not whole in the cache ({first_line(error)}); check the network, "
            "HF_HUB_OFFLINE and HF_HOME, or name a local folder"
        )
    else:
        problem = f"has no weights that transformers loads ({' or '.join(WEIGHTS)}); choose another one"
    raise InputError(f"{key}: {name} {problem}")
