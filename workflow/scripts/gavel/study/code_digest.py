"""Which rules a code change reruns: a digest of the code that a rule's script can import.

Snakemake tracks only the script file, so every rule has this digest among its params. It is computed while the
Snakefile is parsed, so it uses syntax trees and imports only the standard library. It does not analyse calls: a rule
depends on every module that its script can import, whichever functions it calls. To keep this precise, interfaces have
their own files, and tables of names are separate from the code that they name.
"""

import ast
import hashlib
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

from gavel.common.digests import file_digest

# These modules observe a run, or start a server for it, but cannot change its outputs, so editing them must not retrain
# anything. A package includes all its modules.
OBSERVERS = (
    "common.log",
    "common.redaction",
    "jobs.serving",
    "jobs.serving_process",
    "jobs.snakemake_lock",
    "tracking",
)
# A package's `records.py` holds only the types of its rows on disk, which do nothing at run time. The code that writes
# and reads the rows is tracked.
TYPES = "records"


def code_digest(script: str | Path, library: str | Path, unused: Collection[str] = ()) -> str:
    """Digest of a script's code and of all library code that it can import.

    It covers the syntax trees of the script and its `closure`, without docstrings, comments, positions and
    `__version__`, and the bytes of their packages' data files: everything in the folders that is not Python (the page's
    templates for `gavel.report`). What a rule reads, such as a prompt, is one of its input files instead.

    Args:
        script: a workflow script.
        library: the package folder, such as `workflow/scripts/gavel`.
        unused: modules that the script can import, but does not use in this study; their edits change nothing.

    Returns:
        16 hexadecimal digits.

    Raises:
        FileNotFoundError: the script is missing.
        SyntaxError: one of the files is not Python.
    """
    library = Path(library).resolve()
    digest = hashlib.sha256(_parse(Path(script).resolve()).code)
    for name in closure(script, library, unused):
        path = _file(name, library)
        digest.update(f"\0{name}\0".encode() + _parse(path).code)
        for data in sorted(_data_files(path)):
            digest.update(f"\0{data.relative_to(library).as_posix()}\0{file_digest(data)}".encode())
    return digest.hexdigest()[:16]


def closure(script: str | Path, library: str | Path, unused: Collection[str] = ()) -> list[str]:
    """Sorted names of the library modules that a script imports, directly or indirectly.

    Imports count anywhere in a file, and so does a string constant that is exactly a module's dotted name
    (`import_module("gavel.x")`, `[sys.executable, "-m", "gavel.x"]`). `OBSERVERS`, `TYPES` and `unused` modules are
    left out, and so is what only they import. An import whose name is computed at run time is not found.
    """
    library = Path(library).resolve()
    modules: set[str] = set()
    queue = list(_imports(Path(script).resolve(), None, library))
    while queue:
        name = queue.pop()
        if name in modules or name in unused or _is_untracked(name.removeprefix(f"{library.name}.")):
            continue
        modules.add(name)
        queue.extend(_imports(_file(name, library), name, library))
    return sorted(modules)


def _is_untracked(name: str) -> bool:
    if name.rpartition(".")[2] == TYPES:
        return True
    return any(name == observer or name.startswith(f"{observer}.") for observer in OBSERVERS)


class _Source:
    """One parsed file: `code`, bytes that change if its behaviour may change, and the `names` that it may import."""

    def __init__(self, path: Path):
        tree = ast.parse(path.read_bytes(), filename=str(path))
        # A module that reads its own docstrings (help texts, prompts) depends on their wording.
        documented = any(
            isinstance(node, (ast.Name, ast.Attribute)) and _last(node) in ("__doc__", "getdoc")
            for node in ast.walk(tree)
        )
        self.code = repr(_plain(tree, keep_strings=documented)).encode()
        self.names: list[tuple[int, str]] = []
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                self.names += [(0, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                self.names += [(node.level, base)]
                self.names += [(node.level, f"{base}.{alias.name}".lstrip(".")) for alias in node.names]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
                self.names.append((0, node.value))


@cache
def _source(path: Path, changed_ns: int, size: int) -> _Source:
    return _Source(path)


def _parse(path: Path) -> _Source:
    stat = path.stat()
    return _source(path, stat.st_mtime_ns, stat.st_size)


def _last(node: ast.AST) -> str | None:
    """The last part of a dotted name; None if the node is not a name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _plain(node: object, keep_strings: bool) -> object:
    """A syntax tree as nested tuples, without what cannot change behaviour.

    Unlike `ast.dump`, it leaves out empty fields, so that a Python version that adds a field to a node (3.12:
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


def _is_idle(node: object) -> bool:
    """Whether a statement is a bare string, such as a docstring, or sets the version number."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return isinstance(node, ast.Assign) and _last(node.targets[0]) == "__version__"


def _imports(path: Path, name: str | None, library: Path) -> Iterator[str]:
    """Names of existing library modules that a file imports, and of their parent packages, which are imported first."""
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


def _file(name: str, library: Path) -> Path:
    """The file of an existing module."""
    path = _locate(name, library)
    if path is None:
        raise FileNotFoundError(f"{library}: no module {name}")
    return path


def _data_files(path: Path) -> Iterator[Path]:
    """The files in a package's folder that are not Python; none for a module."""
    if path.name == "__init__.py" and path.parent.name != "gavel":
        for item in path.parent.rglob("*"):
            # Editors leave such files behind.
            hidden = item.name.startswith(".") or item.name.endswith("~")
            if item.is_file() and item.suffix not in (".py", ".pyc") and not hidden:
                yield item
