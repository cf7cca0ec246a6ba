"""A judge's server that a job starts itself: a small program that fails as it is told (`stand_ins/small_server.py`)."""

import json
import sys
from pathlib import Path

SERVER = Path(__file__).parent / "stand_ins" / "small_server.py"


def command(**options) -> list[str]:
    return [sys.executable, str(SERVER), "port={port}", *(f"{key}={value}" for key, value in options.items())]


def study(folder, options=None, **server) -> dict:
    """What a study's config says of a judge whose server the jobs start."""
    asked = {
        "serve": "job",
        "base_url": None,
        "command": command(**options or {}),
        "gpus": None,
        "startup_timeout_s": 20.0,
    }
    asked |= {
        "restarts": 0,
        "api_key_env": "NONE",
        "top_logprobs": 20,
        "concurrency": 2,
        "timeout_s": 5.0,
        "retries": 0,
    }
    return {
        "judge": {
            "batch_tokens": 1,
            "model": "m",
            "cache": "off",
            "server": asked | server,
            "simulated": None,
            "panel": None,
        },
        "results_dir": str(folder),
    }


def pid_of(access) -> int:
    return json.loads(Path(access["server"]["status"]).read_text())["pid"]
