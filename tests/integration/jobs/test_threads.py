"""A job's torch computes with the job's threads, and so does that of the process beside it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from gavel.common.paths import ROOT

LIBRARY = ROOT / "workflow" / "scripts"
PROBE = """import json
from pathlib import Path


def note(path):
    import torch

    Path(path).write_text(json.dumps(torch.get_num_threads()))
"""


def python(code: str, folder: Path) -> str:
    path = os.pathsep.join([str(folder), str(LIBRARY)])
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_job_computes_with_its_threads(tmp_path):
    code = "import torch\nfrom gavel.jobs.threads import use_threads\nuse_threads(3)\nprint(torch.get_num_threads())"
    assert python(code, tmp_path).strip() == "3"


def test_a_process_beside_the_job_computes_with_them_too(tmp_path):
    (tmp_path / "probe.py").write_text(PROBE)
    noted = tmp_path / "threads.json"
    code = (
        "from pathlib import Path\nimport probe\nfrom gavel.jobs.launch import run_in_subprocess\n"
        f"run_in_subprocess(probe.note, Path({str(tmp_path / 'task.json')!r}), 3, path={str(noted)!r})"
    )
    python(code, tmp_path)
    assert json.loads(noted.read_text()) == 3


def test_every_script_that_computes_sets_them():
    """By what it calls: `use_threads`, or a job (`gavel.jobs.job`) that does so first."""
    for rules in (ROOT / "workflow" / "rules").glob("*.smk"):
        for part in rules.read_text().split("\nrule ")[1:]:
            if "    threads:" in part:
                script = part.split('"../scripts/')[1].split('"')[0]
                text = (LIBRARY / script).read_text()
                assert any(word in text for word in ("use_threads(", "training_job(", "plain_job(")), script
