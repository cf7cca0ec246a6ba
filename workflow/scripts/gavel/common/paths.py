"""The project's folders, located from this file."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
SCRIPTS = ROOT / "workflow" / "scripts"  # the rules' scripts; this library is among them
PROMPTS = ROOT / "resources" / "prompts"  # those that ship with Gavel
ACCELERATE = ROOT / "workflow" / "accelerate"  # one launcher configuration per file

JUDGE_CACHE = "judge-answers.sqlite"  # in a state folder: the judge's answers so far


def is_gguf(path: str | Path) -> bool:
    """Whether a path names a model in llama.cpp's file format."""
    return str(path).endswith(".gguf")


def is_shipped(model: str) -> bool:
    """Whether a model came with Gavel; these have read nothing but generated questions and their programs."""
    return Path(model).resolve().is_relative_to(ROOT / "resources" / "models")
