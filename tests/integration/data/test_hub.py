"""What the hub holds reaches a study through the hub's own library, from a stand-in for the hub on loopback."""

import json

import pytest
import yaml

from gavel.common.digests import folder_digest
from gavel.common.paths import ROOT
from gavel.data.sources import load
from gavel.study import checks, layout, resolve
from helpers import hub_server
from helpers.published import published


@pytest.fixture
def hub(tiny, tmp_path):
    with published(tiny, tmp_path) as found:
        yield found


def test_a_models_files_are_linked_at_one_commit_and_load(hub):
    done = hub.fetch("gavel/student")
    assert done.stdout.strip() == hub_server.COMMIT, done.stderr
    folder = hub.folder / "study/gavel/student"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"config.json", "model.safetensors", "tokenizer.json", ".hub.json"} <= names
    assert not any("onnx" in name or name.endswith(".bin") for name in names)
    assert (folder / "model.safetensors").is_symlink()
    record = json.loads((folder / ".hub.json").read_text())
    assert record == {"kind": "model", "name": "gavel/student", "revision": None, "commit": hub_server.COMMIT}

    from gavel.models import loading

    assert loading.load_model(str(folder)).config.hidden_size == 32
    assert loading.load_tokenizer(str(folder)).eos_token_id is not None
    before = folder_digest(folder)
    (folder / ".hub.json").write_text(json.dumps(record | {"commit": "another"}))
    assert folder_digest(folder) != before


def test_without_a_network_the_cache_is_taken_and_a_pinned_commit_too(hub):
    first = hub.fetch("gavel/student", revision=hub_server.COMMIT)
    assert first.returncode == 0, first.stderr
    asked = len(hub.asked)
    for closed in ({"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}):
        again = hub.fetch("gavel/student", revision=hub_server.COMMIT, **closed)
        assert again.stdout == first.stdout, again.stderr
        never = hub.fetch("gavel/old", **closed)
        assert never.returncode == 1
        assert "judge.model: gavel/old cannot be downloaded, and the cached copy is incomplete" in never.stderr
    assert len(hub.asked) == asked


@pytest.mark.parametrize(
    ("name", "revision", "words"),
    [
        ("gavel/gated", None, "is gated: accept its terms on https://huggingface.co/gavel/gated, then export HF_TOKEN"),
        ("gavel/missing", None, "is neither a local file or folder nor on the hub"),
        ("gavel/student", "v9", "has no revision 'v9'"),
        ("gavel/bare", None, "has no weights that transformers can load"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_leaves_nothing(hub, name, revision, words):
    done = hub.fetch(name, revision=revision)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"judge.model: {name} {words}")
    assert not (hub.folder / "study" / name).exists()


def test_of_a_repository_of_gguf_files_one_is_fetched(hub, tmp_path):
    repository = tmp_path / "hub/models/gavel/student"
    for name in ("small.gguf", "large.gguf"):
        (repository / name).write_bytes(b"GGUF" + name.encode())
    done = hub.fetch("gavel/student", file="small.gguf")
    assert done.returncode == 0, done.stderr
    folder = hub.folder / "study/gavel/student"
    assert {path.name for path in folder.iterdir()} == {"small.gguf", ".hub.json"}
    assert json.loads((folder / ".hub.json").read_text())["file"] == "small.gguf"
    assert not any("large" in path or "safetensors" in path for path in hub.asked)
    missing = hub.fetch("gavel/student", file="tiny.gguf").stderr.splitlines()[-1]
    assert "gavel/student has no file tiny.gguf on the hub (GGUF files there: large.gguf, small.gguf)" in missing


def test_a_token_opens_a_gated_model_and_old_weights_are_taken_where_there_are_no_others(hub):
    assert hub.fetch("gavel/gated", HF_TOKEN="hf_right").returncode == 0
    assert "is gated" in hub.fetch("gavel/gated", HF_TOKEN="hf_wrong", HF_HOME=str(hub.folder / "other")).stderr
    assert hub.fetch("gavel/old").returncode == 0
    assert (hub.folder / "study/gavel/old/pytorch_model.bin").exists()


def test_a_data_set_is_read_from_its_folder(hub):
    assert hub.fetch("gavel/problems", kind="dataset").returncode == 0
    folder = str(hub.folder / "study/gavel/problems")
    rows = load("gsm8k", path=folder, name="main", split="test", label="data.tests.main.path")
    assert [row["id"] for row in rows[:2]] == ["gsm8k-test-00000", "gsm8k-test-00001"]
    assert len(rows) == 20
    assert rows[3]["gold"] == "4"


@pytest.mark.parametrize(
    ("server", "name", "wanted"),
    [
        ({"serve": "job"}, "gavel/served", ["gavel/served"]),
        ({"serve": "job", "command": "llama-server -m judge.gguf --port {port}"}, "gavel/served", []),
        ({"serve": "job"}, "resources/models/judge", []),
        ({"base_url": "http://localhost:8000/v1"}, "gavel/served", []),
    ],
)
def test_what_a_jobs_server_loads_is_in_the_cache_before_it_starts(monkeypatch, server, name, wanted):
    """Jobs do not ask the hub, so the server that one of them starts cannot either."""
    asked = []
    monkeypatch.setattr(checks, "download", lambda name, **_: asked.append(name))
    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    resolved = resolve.resolve(raw | {"judge": {"model": name, "server": server}}, ROOT)
    checks.check(resolved, here=False)
    assert asked == wanted
    assert "judge" not in layout.hub(resolved)
