"""A hub on loopback with models and a data set, and a process that fetches from it."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import yaml

from gavel.common.files import write_jsonl
from helpers import hub_server

FETCH = """
import json, sys
from gavel.data import hub
from gavel.common.errors import InputError
try:
    print(hub.fetch(**json.loads(sys.argv[1]), key="judge.model"))
except InputError as error:
    sys.exit(str(error))
"""


@contextmanager
def published(tiny, tmp_path):
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

    def fetch(
        self, name: str, kind: str = "model", revision: str | None = None, file: str | None = None, **environment: str
    ):
        """Fetch into the folder `name` in a process that knows this hub."""
        wanted = {"name": name, "kind": kind, "revision": revision, "folder": str(self.folder / "study" / name)}
        wanted |= {"file": file}
        return subprocess.run(
            [sys.executable, "-c", FETCH, json.dumps(wanted)],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
