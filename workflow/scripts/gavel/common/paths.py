"""The project's folders, located from this file."""

from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[1]  # the package `gavel`


def project(library: Path) -> Path:
    """The folder with Snakefile, workflow, config, profiles and resources: the copy that a wheel carries inside the
    library, or else the clone that the library is in."""
    carried = library / "_project"  # setup.py puts it there
    return carried if carried.is_dir() else library.parents[2]


ROOT = project(LIBRARY)
SCRIPTS = ROOT / "workflow" / "scripts"  # the rules' scripts
PROMPTS = ROOT / "resources" / "prompts"  # those that ship with Gavel
ACCELERATE = ROOT / "workflow" / "accelerate"  # one launcher configuration per file

JUDGE_CACHE = "judge-answers.sqlite"  # in a state folder: the judge's answers so far


def is_gguf(path: str | Path) -> bool:
    """Whether a path names a model in llama.cpp's file format."""
    return str(path).endswith(".gguf")


def is_shipped(model: str) -> bool:
    """Whether a model came with Gavel; these have read nothing but generated questions and their programs."""
    return Path(model).resolve().is_relative_to(ROOT / "resources" / "models")
