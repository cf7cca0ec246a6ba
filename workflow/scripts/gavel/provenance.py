"""What made a result: digests of code and data, versions, hardware, the commit.

`code_digest` is what makes a rule rerun when, and only when, code that it uses changes: Snakemake tracks the
script file alone, so every rule carries this digest as a param. The module runs while the Snakefile is
parsed, hence it is fast and imports nothing beyond the standard library. It is not a bytecode or call-graph
analysis: a rule depends on every module that its script can import, whichever functions it calls.
"""

import ast
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

# These watch a run, or start a server for it, and cannot change its outputs: an edit of theirs must not retrain
# anything.
OBSERVERS = {"progress", "redaction", "serving", "study_tracking", "tracking", "tracking_store", "tracking_unsent"}

# In a folder that was fetched from the hub (`gavel.hub`): which commit its files are.
HUB_RECORD = ".hub.json"

# Distributions whose version can change a number in the report.
# fmt: off
PACKAGES = (
    "accelerate", "datasets", "jinja2", "matplotlib", "mlflow", "numpy", "pandas", "peft", "scipy", "snakemake",
    "tokenizers", "torch", "transformers", "trl", "vllm",
)
# fmt: on


def code_digest(script: str | Path, library: str | Path) -> str:
    """Digest of a script's code and of all library code that it can import.

    Covers the syntax trees, without docstrings, comments, positions and `__version__`, of the script and of
    its `closure`, and the bytes of those modules' data files: whatever is not Python in a folder named like
    the module (`gavel/prompts/*.txt` for `gavel.prompts`), and what a module-level literal such as
    `DATA_FILES = ("templates/*.html",)` names, relative to the library folder.

    Args:
        script: a workflow script.
        library: the package folder, such as `workflow/scripts/gavel`.

    Returns:
        16 hexadecimal digits.

    Raises:
        FileNotFoundError: the script is missing.
        SyntaxError: one of the files is not Python.
        ValueError: a `DATA_FILES` pattern matches no file, or is not a literal.
    """
    library = Path(library).resolve()
    digest = hashlib.sha256(_parse(Path(script).resolve()).code)
    for name in closure(script, library):
        path = _locate(name, library)
        digest.update(f"\0{name}\0".encode() + _parse(path).code)
        for data in sorted(_data_files(name, path, library)):
            digest.update(f"\0{data.relative_to(library).as_posix()}\0{file_digest(data)}".encode())
    return digest.hexdigest()[:16]


def closure(script: str | Path, library: str | Path) -> list[str]:
    """Sorted names of the library modules that a script imports, directly or through others.

    Imports count at any depth in a file, and so does a string constant that is exactly a module's dotted name
    (`import_module("gavel.x")`, `[sys.executable, "-m", "gavel.x"]`). `OBSERVERS` are left out, and with them
    what only they import. An import whose name is computed at run time is not seen: use `DATA_FILES`.
    """
    library = Path(library).resolve()
    found: set[str] = set()
    queue = list(_imports(Path(script).resolve(), None, library))
    while queue:
        name = queue.pop()
        if name in found or name.removeprefix(f"{library.name}.").split(".")[0] in OBSERVERS:
            continue
        found.add(name)
        queue.extend(_imports(_locate(name, library), name, library))
    return sorted(found)


class _Source:
    """One parsed file: `code` (bytes that change when its behaviour can), `names` that it may import."""

    def __init__(self, path: Path):
        tree = ast.parse(path.read_bytes(), filename=str(path))
        # A module that reads its own docstrings (help texts, prompts) depends on their wording.
        documented = any(
            isinstance(node, (ast.Name, ast.Attribute)) and _last(node) in ("__doc__", "getdoc")
            for node in ast.walk(tree)
        )
        self.code = repr(_plain(tree, keep_strings=documented)).encode()
        self.names: list[tuple[int, str]] = []
        self.data: tuple[str, ...] = ()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                self.names += [(0, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                self.names += [(node.level, base)]
                self.names += [(node.level, f"{base}.{alias.name}".lstrip(".")) for alias in node.names]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
                self.names.append((0, node.value))
        for node in tree.body:
            if isinstance(node, ast.Assign) and _last(node.targets[0]) == "DATA_FILES":
                self.data = tuple(ast.literal_eval(node.value))


@cache
def _source(path: Path, changed_ns: int, size: int) -> _Source:
    return _Source(path)


def _parse(path: Path) -> _Source:
    stat = path.stat()
    return _source(path, stat.st_mtime_ns, stat.st_size)


def _last(node: ast.AST) -> str | None:
    return getattr(node, "attr", None) or getattr(node, "id", None)


def _plain(node, keep_strings: bool):
    """A syntax tree as nested tuples, without what cannot change behaviour.

    Unlike `ast.dump`, empty fields are left out, so that a Python version which adds one to a node (3.12:
    `type_params`) does not change every digest.
    """
    if isinstance(node, list):
        return [_plain(item, keep_strings) for item in node if keep_strings or not _is_idle(item)]
    if isinstance(node, ast.Constant):
        return ("Constant", node.value)
    if not isinstance(node, ast.AST):
        return node
    fields = [(name, getattr(node, name, None)) for name in node._fields]
    kept = [(name, _plain(value, keep_strings)) for name, value in fields if value is not None and value != []]
    return (type(node).__name__, *kept)


def _is_idle(node) -> bool:
    """A bare string (docstrings are), or the version number, which changes at every release."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return isinstance(node, ast.Assign) and _last(node.targets[0]) == "__version__"


def _imports(path: Path, name: str | None, library: Path) -> Iterator[str]:
    """Names of existing library modules that a file imports, with their parent packages, which run first."""
    for level, target in _parse(path).names:
        if level:
            if name is None:
                continue
            package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
            target = ".".join([*package[: len(package) - level + 1], *filter(None, [target])])
        parts = target.split(".")
        if parts[0] != library.name:
            continue
        for end in range(1, len(parts) + 1):
            if _locate(".".join(parts[:end]), library):
                yield ".".join(parts[:end])


def _locate(name: str, library: Path) -> Path | None:
    """The file of a dotted module name, or None."""
    parts = name.split(".")[1:]
    if not all(part.isidentifier() for part in parts):
        return None
    place = library.joinpath(*parts)
    for path in (place / "__init__.py", place.with_suffix(".py")) if parts else (place / "__init__.py",):
        if path.is_file():
            return path
    return None


def _data_files(name: str, path: Path, library: Path) -> set[Path]:
    found: set[Path] = set()
    folder = library.joinpath(*name.split(".")[1:])
    if folder != library and folder.is_dir():
        found.update(item for item in folder.rglob("*") if item.suffix not in (".py", ".pyc"))
    for pattern in _parse(path).data:
        matches = list(library.glob(pattern))
        if not matches:
            raise ValueError(f"{path}: DATA_FILES pattern {pattern!r} matches nothing below {library}")
        found.update(matches)
    # Editors leave such files beside the real ones.
    return {item for item in found if item.is_file() and item.name[0] != "." and item.name[-1] != "~"}


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits, read in blocks."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def folder_digest(path: str | Path) -> str:
    """SHA-256 over the relative names and bytes of all files in a folder, in sorted order.

    One that was fetched from the hub is known by its commit; reading a large judge's weights would take minutes.

    Raises:
        NotADirectoryError: there is no such folder; an empty digest would hide a wrong path.
    """
    root = Path(path)
    if not root.is_dir():
        raise NotADirectoryError(f"{root}: not a folder")
    if (root / HUB_RECORD).is_file():
        return file_digest(root / HUB_RECORD)
    digest = hashlib.sha256()
    for item in sorted((item.relative_to(root).as_posix(), item) for item in root.rglob("*") if item.is_file()):
        digest.update(f"{item[0]}\0{file_digest(item[1])}\0".encode())
    return digest.hexdigest()


def job_digest(settings: dict, inputs: Iterable[str | Path]) -> str:
    """Digest of all that a job's result depends on: its settings (with the code's digest) and its input files."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for path in inputs:
        digest.update((folder_digest(path) if os.path.isdir(path) else file_digest(path)).encode())
    return digest.hexdigest()[:16]


def versions() -> dict[str, str]:
    """Versions of Python, the platform, Gavel and those of `PACKAGES` that are installed."""
    from importlib.metadata import PackageNotFoundError, version

    from gavel import __version__

    found = {"python": platform.python_version(), "platform": platform.platform(), "gavel": __version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def hardware() -> dict:
    """`{"cpu": model, "cores": usable by this process, "memory_gib": float | None, "gpus": [name, ...]}`."""
    affinity = getattr(os, "sched_getaffinity", None)
    try:
        memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError):
        memory = None
    cores = len(affinity(0)) if affinity else os.cpu_count()
    return {"cpu": _cpu_model(), "cores": cores, "memory_gib": memory, "gpus": _gpu_names()}


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return _output("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor() or platform.machine()


def _gpu_names() -> list[str]:
    # Importing torch takes seconds, so it is asked only where the caller has loaded it already.
    if torch := sys.modules.get("torch"):
        return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return (_output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader") or "").splitlines()


def git_commit(root: str | Path) -> dict[str, str | bool | None]:
    """`{"commit": hash | None, "dirty": bool | None}` of the repository whose top folder is `root`.

    Both are None outside a repository, without git, and where `root` merely lies inside some other
    repository.
    """
    top = _output("git", "-C", str(root), "rev-parse", "--show-toplevel")
    if not top or Path(top).resolve() != Path(root).resolve():
        return {"commit": None, "dirty": None}
    commit = _output("git", "-C", str(root), "rev-parse", "--verify", "--quiet", "HEAD")
    # Without optional locks: a git command that the user runs meanwhile must not fail on ours.
    status = _output("git", "--no-optional-locks", "-C", str(root), "status", "--porcelain")
    return {"commit": commit or None, "dirty": None if status is None else bool(status)}


def _output(*command: str) -> str | None:
    """What a command prints, stripped; None when it is not installed, fails or takes more than 10 s."""
    if not shutil.which(command[0]):
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
