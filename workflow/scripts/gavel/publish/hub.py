"""Upload a published run to the Hugging Face hub, or to the one that `HF_ENDPOINT` names."""

import yaml
from huggingface_hub import DatasetCard, HfApi, ModelCard, constants, errors, get_token
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # not in its list of exports

from gavel import __version__
from gavel.common.errors import InputError, first_line
from gavel.publish.dataset import CARD
from gavel.publish.folder import DATASET, Upload

CARDS = {DATASET: DatasetCard}
# Status of a refusal -> what to do about it.
ADVICE = {
    401: "the token is not valid here; export HF_TOKEN with another one, or run `hf auth login`",
    403: "the token may not write there; use one with write access, or name a repository of your own",
    404: "check the name, and that the token may see it",
    409: "another upload is in progress there; wait for it",
    429: "the hub asks for a pause; wait some minutes",
}
AGAIN = "the folder {folder} is kept, and the same command continues"


def check_name(repo: str, option: str) -> None:
    """Raises `InputError` if this cannot be a repository's name on the hub."""
    try:
        validate_repo_id(repo)
    except errors.HFValidationError as error:
        raise InputError(f"{option} {repo!r}: {str(error).splitlines()[0]}") from None
    if "/" not in repo:
        raise InputError(f"{option} {repo!r}: has no owner; expected OWNER/NAME, such as my-group/{repo}")


def check_login() -> None:
    """Raises `InputError` if nothing can be uploaded: there is no token, or the hub library works offline."""
    if constants.HF_HUB_OFFLINE:
        raise InputError("--push: HF_HUB_OFFLINE is set, so the hub cannot be reached; unset it")
    if get_token() is None:
        raise InputError(
            "--push: no token for the hub; export HF_TOKEN with one that may write, or run `hf auth login`"
        )


def address(upload: Upload) -> str:
    """The web page of an upload's repository."""
    prefix = "datasets/" if upload.kind == DATASET else ""
    return f"{constants.ENDPOINT}/{prefix}{upload.repo}"


def push(upload: Upload, *, private: bool, message: str) -> str:
    """Create the repository if it is missing, and upload the folder; files that are there already are skipped.

    Args:
        private: the repository must be one that only its owner sees.
        message: of the commit.

    Returns:
        The commit's address.

    Raises:
        InputError: the hub cannot be reached or refuses, or the repository is public and must not be.
    """
    api = HfApi(library_name="gavel", library_version=__version__)
    again = AGAIN.format(folder=upload.folder)
    assert upload.repo is not None  # the command has checked it
    try:
        api.create_repo(upload.repo, repo_type=upload.kind, private=private or None, exist_ok=True)
        if private and not api.repo_info(upload.repo, repo_type=upload.kind).private:
            raise InputError(
                f"--private: {address(upload)} is public already; make it private in its settings, or name another "
                f"repository; nothing was uploaded, and {again}"
            )
        _validate_card(upload)
        return api.upload_folder(
            repo_id=upload.repo, repo_type=upload.kind, folder_path=upload.folder, commit_message=message
        ).commit_url
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        said = error.server_message or first_line(error)
        raise InputError(
            f"{address(upload)}: the hub refuses ({status}, {said}): {ADVICE.get(status, 'try again later')}; {again}"
        ) from None
    except InputError:
        raise
    except Exception as error:  # of the library, of httpx, of hf_xet, and of what reads an answer that is no JSON
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise InputError(
            f"{address(upload)}: the upload failed ({first_line(cause)}); check the network and HF_ENDPOINT; {again}"
        ) from None


def _validate_card(upload: Upload) -> None:
    """Let the hub check a card's metadata before anything is uploaded. Raises `InputError` if they are not valid."""
    path = upload.folder / CARD
    try:
        CARDS.get(upload.kind, ModelCard).load(path).validate(upload.kind)
    except errors.HfHubHTTPError:
        raise
    except (ValueError, yaml.YAMLError) as error:
        raise InputError(
            f"{path}: its metadata are not valid ({first_line(error)}); correct them and give the command again"
        ) from None
