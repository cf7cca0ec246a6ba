"""Collect as wheels what the GPU check needs on a machine without a network, beside its own PyTorch and transformers.

    collect_wheels.py FOLDER [--installed FILE] [--python 3.12] [--limit 60]

FILE is what `python -m pip list --format=freeze` prints there; a package that it has in a version that will do is not
collected. Without it, only PyTorch, transformers and what these two need count as installed. Versions are those of the
lock files. `tools/install_wheels.py` installs the wheels there.
"""

import argparse
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name as canonical

import write_lock

# What tests/gpu and the library's modules that it runs import. The machine's own PyTorch and transformers are used.
ROOTS = (
    "accelerate", "datasets", "filelock", "jinja2", "numpy", "peft", "psutil", "pydantic", "pytest", "pytest-timeout",
    "pyyaml", "safetensors", "tokenizers", "tqdm", "trl",
)  # fmt: skip
OWN = ("torch", "transformers")
TAGS = ("2_28", "2_27", "2_26", "2_24", "2_17", "2_12", "2_5")  # pip matches each exactly


def installed(text: str) -> dict[str, str]:
    """Package -> version, from the lines `name==version` of pip's list."""
    pairs = (line.strip().split("==") for line in text.splitlines() if "==" in line)
    return {canonical(name): version for name, version in pairs}


def requirements(package: str, python: str) -> Iterator[Requirement]:
    """What a package needs on Linux with this Python, by the version that is installed here."""
    environment = {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    for text in metadata.requires(package) or ():
        needed = Requirement(text)
        if needed.marker is None or needed.marker.evaluate(environment):
            yield needed


def needed_by(packages: Iterable[str], python: str) -> set[str]:
    """The packages and all that they need, except PyTorch's CUDA packages, which are not installed everywhere."""
    found: set[str] = set()
    waiting = [Requirement(name) for name in packages]
    while waiting:
        name = canonical(waiting.pop().name)
        if name not in found and not name.startswith(("nvidia-", "cuda-", "triton")):
            found.add(name)
            waiting += requirements(name, python)
    return found


def missing(there: Mapping[str, str | None], python: str) -> set[str]:
    """The packages to collect: those that are needed and not there, or there in a version that will not do.

    Args:
        there: package -> version, or None for a version that will do.
    """
    found: set[str] = set()
    waiting = [Requirement(name) for name in ROOTS]
    while waiting:
        needed = waiting.pop()
        name = canonical(needed.name)
        version = there.get(name, "")
        if name in (*found, *OWN) or version is None or (version and needed.specifier.contains(version)):
            continue
        found.add(name)
        waiting += requirements(name, python)
    return found


def repack(wheel: Path) -> None:
    """Compress a wheel's files with LZMA: a quarter smaller, in a minute for the largest; pip takes it all the same."""
    smaller = wheel.with_suffix(".partial")
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(smaller, "w", zipfile.ZIP_LZMA) as new:
        for entry in old.infolist():
            content = old.read(entry)
            entry.compress_type = zipfile.ZIP_LZMA
            new.writestr(entry, content)
    smaller.replace(wheel)


def download(pins: Sequence[str], folder: Path, python: str) -> None:
    platforms = [f"--platform=manylinux_{tag}_x86_64" for tag in TAGS] + ["--platform=manylinux2014_x86_64"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += [f"--python-version={python}", "--implementation=cp", *platforms, f"--dest={folder}", *pins]
    subprocess.run(command, check=True)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--installed", type=Path, metavar="FILE", help="pip's list of the packages there")
    parser.add_argument("--python", default="{}.{}".format(*sys.version_info), help="its Python, such as 3.12")
    parser.add_argument("--limit", type=float, default=60, help="of the folder's size, in MB")
    options = parser.parse_args(arguments)
    folder: Path = options.folder
    if folder.exists() and any(folder.iterdir()):
        raise SystemExit(f"{folder} is not empty; name a new folder")
    there: dict[str, str | None] = dict.fromkeys(needed_by(OWN, options.python))
    if options.installed:
        there = dict(installed(options.installed.read_text(encoding="utf-8")))
        if absent := [name for name in OWN if name not in there]:
            raise SystemExit(f"{options.installed}: {' and '.join(absent)} not installed there; the check needs both")
    locked = {name: pin for lock in write_lock.LOCKS for name, pin in write_lock.pins(lock).items()}
    pins = sorted(f"{name}{locked[name].specifier}" for name in missing(there, options.python))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "requirements.txt").write_text("\n".join(pins) + "\n", encoding="utf-8")
    if pins:
        download(pins, folder, options.python)
    wheels = sorted(folder.glob("*.whl"), key=_megabytes, reverse=True)
    for wheel in wheels:
        if sum(map(_megabytes, wheels)) > options.limit:
            repack(wheel)
    total = sum(map(_megabytes, wheels))
    if total > options.limit:
        largest = ", ".join(f"{wheel.name.split('-')[0]} {_megabytes(wheel):.1f} MB" for wheel in wheels[:3])
        advice = "" if options.installed else "; name with --installed what the machine has already"
        raise SystemExit(f"{folder}: {total:.1f} MB, above the limit of {options.limit:g} MB ({largest}){advice}")
    print(f"{folder}: {len(wheels)} wheels, {total:.1f} MB")


def _megabytes(file: Path) -> float:
    return file.stat().st_size / 1e6


if __name__ == "__main__":
    main(sys.argv[1:])
