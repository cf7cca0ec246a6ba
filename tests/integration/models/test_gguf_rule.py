"""The workflow with a GGUF student: the rule that converts it, and a file that is refused before any job."""

import json

import yaml

from gavel.common.paths import ROOT
from helpers import llama
from helpers.workflow import snakemake

MADE = "results/mine/models/gguf/student"


def run(folder, change=lambda path: None, **options):
    """Snakemake's attempt to convert a tiny file."""
    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    raw |= {"study": "mine", "results_dir": "results/mine", "student": {"model": "tiny.gguf"}}
    (folder / "mine.yaml").write_text(yaml.safe_dump(raw))
    llama.write(llama.model(), folder / "tiny.gguf", **options)
    change(folder / "tiny.gguf")
    return snakemake("--cores", "1", "--configfile", "mine.yaml", "--", MADE, cwd=folder)


def test_it_is_converted_once(tmp_path):
    done = run(tmp_path, chat_template="{{ messages[0]['content'] }}")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / MADE
    names = {path.name for path in folder.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"} <= names
    assert json.loads((folder / "config.json").read_text())["model_type"] == "llama"
    assert "0 million parameters, a chat template" in (tmp_path / "results/mine/logs/gguf/student.log").read_text()
    again = snakemake("-n", "--configfile", "mine.yaml", "--", MADE, cwd=tmp_path)
    assert "Nothing to be done" in again.stdout + again.stderr


def test_a_truncated_file_ends_the_run_before_its_first_job(tmp_path):
    done = run(tmp_path, change=lambda path: path.write_bytes(path.read_bytes()[:-100]))
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "student.model: tiny.gguf is not a complete GGUF file" in said
    assert "Traceback" not in said
    assert not (tmp_path / "results/mine/logs").exists()
