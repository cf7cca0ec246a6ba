"""What the hub holds reaches a study through the hub's own library, from a stand-in for the hub on loopback."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import hub_server
import pytest
import yaml

from gavel import study
from gavel.files import write_jsonl
from gavel.provenance import folder_digest
from gavel.sources import load

ROOT = Path(__file__).parents[2]
FETCH = """
import json, sys
from gavel import hub
from gavel.errors import InputError
try:
    print(hub.fetch(**json.loads(sys.argv[1]), key="judge.model"))
except InputError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def hub(tiny, tmp_path):
    """A hub with a student in two formats of weights, a gated one, one of old weights, and a data set."""
    root = tmp_path / "hub"
    shutil.copytree(tiny, root / "models/gavel/student")
    for name in ("pytorch_model.bin", "onnx/model.onnx", "onnx/extra.json"):
        (root / "models/gavel/student" / name).parent.mkdir(exist_ok=True)
        (root / "models/gavel/student" / name).write_bytes(b"unread")
    shutil.copytree(tiny, root / "models/gavel/gated")
    (root / "models/gavel/gated/.gated").touch()
    shutil.copytree(tiny, root / "models/gavel/old")
    (root / "models/gavel/old/model.safetensors").rename(root / "models/gavel/old/pytorch_model.bin")
    shutil.copytree(tiny, root / "models/gavel/bare")
    (root / "models/gavel/bare/model.safetensors").unlink()
    problems = root / "datasets/gavel/problems"
    for split, count in (("train", 60), ("test", 20)):
        rows = [
            {
                "question": f"Tom has {split} box {i} and buys {i} more. How many apples?",
                "answer": f"<<1+{i}={1 + i}>>\n#### {1 + i}",
            }
            for i in range(count)
        ]
        write_jsonl(problems / f"main/{split}.jsonl", rows)
    card = {
        "configs": [
            {"config_name": "main", "data_files": [{"split": s, "path": f"main/{s}.jsonl"} for s in ("train", "test")]}
        ]
    }
    (problems / "README.md").write_text(f"---\n{yaml.safe_dump(card)}---\n# Problems\n")
    with hub_server.serving(root) as (address, asked):
        yield Hub(address, asked, tmp_path)


class Hub:
    def __init__(self, address: str, asked: list[str], folder: Path):
        self.asked, self.folder = asked, folder
        drop = ("HF_HUB_OFFLINE", "HF_TOKEN", "HF_DATASETS_OFFLINE")
        self.environment = {key: value for key, value in os.environ.items() if key not in drop} | {
            "HF_ENDPOINT": address,
            "HF_HOME": str(folder / "cache"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_ETAG_TIMEOUT": "2",
        }

    def fetch(self, name: str, kind: str = "model", revision: str | None = None, **environment: str):
        """Fetch into the folder `name` in a process that knows this hub."""
        wanted = {"name": name, "kind": kind, "revision": revision, "folder": str(self.folder / "study" / name)}
        return subprocess.run(
            [sys.executable, "-c", FETCH, json.dumps(wanted)],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=60,
        )


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

    from gavel import models

    assert models.load_model(str(folder)).config.hidden_size == 32
    assert models.load_tokenizer(str(folder)).eos_token_id is not None
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
        assert "judge.model: gavel/old cannot be downloaded, and is not whole in the cache" in never.stderr
    assert len(hub.asked) == asked


@pytest.mark.parametrize(
    ("name", "revision", "words"),
    [
        ("gavel/gated", None, "is gated: accept its terms on https://huggingface.co/gavel/gated, then export HF_TOKEN"),
        ("gavel/missing", None, "is neither a file or folder here nor on the hub"),
        ("gavel/student", "v9", "has no revision 'v9'"),
        ("gavel/bare", None, "has no weights that transformers loads"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_leaves_nothing(hub, name, revision, words):
    done = hub.fetch(name, revision=revision)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"judge.model: {name} {words}")
    assert not (hub.folder / "study" / name).exists()


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
    assert rows[3]["answer"] == "4"


def test_a_study_fetches_first_and_its_jobs_ask_for_nothing(hub, tmp_path):
    """Splits and audit of a study whose every source and model is on the hub; then again without the hub."""
    source = {"reader": "gsm8k", "path": "gavel/problems", "name": "main"}
    study = {
        "study": "hub",
        "results_dir": "results/hub-study",
        "data": {
            "train": source | {"split": "train"},
            "labeled": 10,
            "unlabeled": 30,
            "validation": 10,
            "tests": {"main": source | {"split": "test", "revision": hub_server.COMMIT}},
        },
        "solution": {"format": "text"},
        "student": {"model": "gavel/student"},
        "judge": {"model": "gavel/old"},
        "primary": {"algorithm": "grpo", "lambda": 0.5, "seed": 0, "set": "main", "metric": "greedy"},
    }
    (tmp_path / "hub.yaml").write_text(yaml.safe_dump(study))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2"]
    command += ["--workflow-profile", "none", "--configfile", str(tmp_path / "hub.yaml"), "--"]
    results = tmp_path / "results/hub-study"
    targets = [str(results / "data/audit.json"), *(str(results / f"hub/{which}") for which in ("student", "judge"))]
    targets = [str(Path(target).relative_to(tmp_path)) for target in targets]

    def run():
        return subprocess.run(
            [*command, *targets], cwd=tmp_path, env=hub.environment, capture_output=True, text=True, timeout=200
        )

    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    counts = json.loads((results / "data/splits.json").read_text())["counts"]
    assert (counts["labeled"], counts["unlabeled"], counts["test/main"]) == (10, 30, 20)
    fetched = {p.parent.relative_to(results / "hub").as_posix() for p in (results / "hub").rglob(".hub.json")}
    assert fetched == {"student", "judge", "data/train", "data/tests.main"}
    asked = len(hub.asked)
    shutil.rmtree(results / "data")
    hub.environment["HF_ENDPOINT"] = "http://127.0.0.1:9"
    again = run()
    assert again.returncode == 0, again.stdout + again.stderr
    assert len(hub.asked) == asked
    assert (results / "data/audit.json").exists()


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
    monkeypatch.setattr(study, "download", lambda name, **_: asked.append(name))
    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    resolved = study.resolve(raw | {"judge": {"model": name, "server": server}}, ROOT)
    study.check(resolved, here=False)
    assert asked == wanted
    assert "judge" not in study.hub(resolved)
