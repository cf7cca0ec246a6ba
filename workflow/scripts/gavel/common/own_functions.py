"""Functions of the user's own, in Python files."""

import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gavel.common.errors import InputError, first_line


def load_function(path: str | Path, name: str, key: str) -> Callable[..., Any]:
    """Run a Python file and take a function from it; the file may import its neighbours.

    Args:
        key: the option or config key that names it, for messages.

    Raises:
        InputError: the file is missing, fails, or has no such function.
    """
    path = Path(path)
    if path.suffix != ".py" or not path.is_file():
        raise InputError(f"{key}: {path} is no Python file; write its path and a function, file.py:function")
    spec = importlib.util.spec_from_file_location(f"gavel_own.{path.stem}", path)
    assert spec and spec.loader  # a Python file has both
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    if (folder := str(path.resolve().parent)) not in sys.path:
        sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"{key}: {failed_line(error, path)}: {first_line(error)}") from error
    function: Callable[..., Any] | None = getattr(module, name, None)
    if function is None or not callable(function):
        there = [value.__name__ for value in vars(module).values() if getattr(value, "__module__", "") == spec.name]
        raise InputError(f"{key}: {path} has no function {name!r} (it has {', '.join(there) or 'none'})")
    return function


def failed_line(error: Exception, path: str | Path) -> str:
    """The last line of the file that an error went through, `file.py:3`; without one, the file."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).resolve() == Path(path).resolve():
        return f"{path}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).resolve() == Path(path).resolve()]
    return f"{path}:{lines[-1]}" if lines else str(path)
