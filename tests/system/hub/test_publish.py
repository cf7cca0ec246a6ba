"""`gavel publish --push` to a hub on loopback: what arrives there, byte for byte, and what a refusal leaves."""

import os
import shutil
import subprocess
import sys

import pytest
from datasets import load_dataset
from huggingface_hub import HfApi, metadata_load, snapshot_download
from transformers import AutoModelForCausalLM

from helpers import hub_server
from helpers.publishable import publishable

REPO = f"{hub_server.OWNER}/small"


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    root = tmp_path_factory.mktemp("made") / "results"
    publishable(root, tiny, build={"judge": False})
    return root


@pytest.fixture
def hub(tmp_path):
    """A hub's folder; `hub.push` runs the command with its address."""
    root = tmp_path / "hub"
    root.mkdir()
    with hub_server.serving(root) as (address, asked):
        yield Hub(root, address, asked, tmp_path)


class Hub:
    def __init__(self, root, address, asked, folder):
        self.root, self.address, self.asked, self.out = root, address, asked, folder / "out"
        drop = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH")
        self.environment = {key: value for key, value in os.environ.items() if key not in drop} | {
            "HF_ENDPOINT": address,
            "HF_HOME": str(folder / "home"),
            "HF_TOKEN": "hf_right",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",
        }

    def push(self, results, *options, repo=REPO, **environment):
        command = [sys.executable, "-m", "gavel.cli.main", "publish", str(results), "--out", str(self.out)]
        environment = {key: value for key, value in (self.environment | environment).items() if value is not None}
        return subprocess.run(
            [*command, "--repo", repo, "--push", *options], env=environment, capture_output=True, text=True, timeout=120
        )

    def repository(self, kind, repo=REPO):
        """The files of a repository on the hub: relative path -> content."""
        return contents(self.root / kind / repo)


def contents(folder):
    """Relative path -> content of a folder's files, but for those that describe a repository."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name not in hub_server.MARKS)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def check_refused(done, problem):
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("gavel: ")]
    assert problem in line, line
    assert "Traceback" not in done.stderr and "hf_right" not in done.stderr


def test_what_arrives_is_what_was_written(hub, made, tiny, tmp_path):
    done = hub.push(made)
    assert done.returncode == 0, done.stderr
    assert hub.repository("models") == contents(hub.out / "model")
    assert hub.repository("datasets", f"{REPO}-data") == contents(hub.out / "dataset")
    assert "model.safetensors" in hub.repository("models")
    assert {"rollouts/train.parquet", "samples/main.parquet"} < set(hub.repository("datasets", f"{REPO}-data"))
    assert f"model: {hub.address}/{REPO} (" in done.stdout
    assert f"dataset: {hub.address}/datasets/{REPO}-data (" in done.stdout
    assert not (hub.root / "models" / REPO / ".private").exists()
    api = HfApi(endpoint=hub.address, token=False)
    assert [api.repo_info(REPO).id, api.dataset_info(f"{REPO}-data").id] == [REPO, f"{REPO}-data"]
    # What the hub's library downloads again is a model and a data set.
    model = snapshot_download(REPO, endpoint=hub.address, cache_dir=tmp_path / "cache", token=False)
    start = AutoModelForCausalLM.from_pretrained(tiny).state_dict()
    there = AutoModelForCausalLM.from_pretrained(model).state_dict()
    assert all(there[name].equal(value) for name, value in start.items())
    data = snapshot_download(
        f"{REPO}-data", repo_type="dataset", endpoint=hub.address, cache_dir=tmp_path / "cache", token=False
    )
    rows = load_dataset(data, "rollouts", split="train", cache_dir=str(tmp_path / "datasets"))
    assert len(rows) == 8 and metadata_load(f"{data}/README.md")["configs"][-1]["config_name"] == "rollouts"


def test_a_second_upload_commits_only_what_has_changed(hub, made):
    assert hub.push(made).returncode == 0
    before = hub.repository("models")
    hub.asked.clear()
    assert hub.push(made).returncode == 0
    assert hub.repository("models") == before
    assert not [path for path in hub.asked if "/commit/" in path]
    card = hub.out / "model/README.md"
    card.write_text(card.read_text() + "\nBy hand.\n")
    hub.asked.clear()
    assert hub.push(made).returncode == 0
    assert [path for path in hub.asked if "/commit/" in path] == [f"api/models/{REPO}/commit/main"]
    assert hub.repository("models") == before | {"README.md": card.read_bytes()}


def test_the_way_of_xet_takes_small_files_too(hub, made, tmp_path):
    """Large ones it would send to Xet's own servers, which this hub does not have."""
    results = shutil.copytree(made, tmp_path / "results")
    assert hub.push(results, "--no-dataset").returncode == 0
    card = hub.out / "model/README.md"
    card.write_text(card.read_text() + "\nBy hand.\n")
    for path in hub.out.rglob("*.safetensors"):
        path.unlink()
    done = hub.push(results, "--no-dataset", HF_HUB_DISABLE_XET=None)
    assert done.returncode == 0, done.stderr
    assert hub.repository("models")["README.md"] == card.read_bytes()


def test_a_private_repository_is_one(hub, made):
    assert hub.push(made, "--private").returncode == 0
    for kind, repo in (("models", REPO), ("datasets", f"{REPO}-data")):
        assert (hub.root / kind / repo / ".private").exists()
    assert hub.push(made, "--private").returncode == 0  # again, into the same ones


def test_nothing_private_goes_into_a_public_repository(hub, made):
    (hub.root / "models" / REPO).mkdir(parents=True)
    check_refused(hub.push(made, "--private"), "is public already; make it private in its settings")
    assert hub.repository("models") == {}


def test_an_upload_that_fails_half_way_goes_on(hub, made):
    """The model is there, the data set's commit is refused once."""
    (hub.root / hub_server.REFUSE).write_text(f"api/datasets/{REPO}-data/commit")
    done = hub.push(made)
    check_refused(done, f"/datasets/{REPO}-data: the hub refuses (500, Out of order.): try again later")
    check_refused(done, f"the folder {hub.out / 'dataset'} is kept, and the same command continues")
    assert hub.repository("models") == contents(hub.out / "model")
    assert hub.repository("datasets", f"{REPO}-data") == {}
    (hub.root / hub_server.REFUSE).unlink()
    hub.asked.clear()
    assert hub.push(made).returncode == 0
    assert hub.repository("datasets", f"{REPO}-data") == contents(hub.out / "dataset")
    assert [path for path in hub.asked if "/commit/" in path] == [f"api/datasets/{REPO}-data/commit/main"]


def test_a_hub_that_is_away_leaves_the_folder(hub, made):
    done = hub.push(made, HF_ENDPOINT="http://127.0.0.1:9")
    check_refused(done, "the upload failed (ConnectError: [Errno 111] Connection refused); check the network")
    assert (hub.out / "published.json").exists() and (hub.out / "model/model.safetensors").exists()
    assert hub.push(made).returncode == 0


@pytest.mark.parametrize(
    ("repo", "environment", "problem"),
    [
        (REPO, {"HF_TOKEN": "hf_wrong_one"}, "the hub refuses (401, Invalid username or password.): the token is not"),
        ("other/small", {}, "the hub refuses (403, You don't have the rights to create a model there.): the token may"),
        (REPO, {"HF_TOKEN": None}, "--push: no token for the hub; export HF_TOKEN with one that may write"),
        (REPO, {"HF_HUB_OFFLINE": "1"}, "--push: HF_HUB_OFFLINE is set, so the hub cannot be reached; unset it"),
    ],
)
def test_who_may_not_write_is_told_why(hub, made, repo, environment, problem):
    check_refused(hub.push(made, repo=repo, **environment), problem)
    assert not (hub.root / "models" / repo).exists()


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ("tags: [a", "(ParserError: "),
        ("license: my-own", '(ValueError: {"errors": [{"message": "\\"license\\" must be'),
    ],
)
def test_a_card_that_the_hub_refuses_is_named(hub, made, metadata, problem):
    (hub.root / "models" / REPO).mkdir(parents=True)
    assert hub.push(made, HF_TOKEN="hf_wrong_one").returncode == 2  # writes the folder
    card = hub.out / "model/README.md"
    card.write_text(f"---\n{metadata}\n---\n" + card.read_text())
    check_refused(hub.push(made), f"model/README.md: its metadata are not valid {problem}")
    assert hub.repository("models") == {}
