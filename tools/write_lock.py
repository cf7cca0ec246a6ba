"""Write the lock files: one exact version of every package that `make` installs, within the ranges of pyproject.toml.

    write_lock.py [PIP OPTION ...]

pip resolves the packages for this machine and installs nothing. Locked versions are kept if the ranges allow. To update
a package, delete its line; to update all of them, delete the files; then run this again.

One file serves CPU and GPU: it omits PyTorch's CUDA packages, which PyTorch pins itself, and local version parts
(`+cpu`). On another platform or with another Python version, pip adds the packages needed there.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name as canonical

ROOT = Path(__file__).parents[1]
# Lock file -> extras of pyproject.toml that it adds to the project's dependencies; each includes the previous file.
LOCKS = {
    "requirements.lock": ("lora", "slurm"),
    "requirements-dev.lock": ("dev",),
    "requirements-servers.lock": ("servers",),
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
    """The requirements of pyproject.toml that a lock file adds to the previous ones."""
    about, extras = project(), project()["optional-dependencies"]
    first = about["dependencies"] if name == next(iter(LOCKS)) else []
    return [Requirement(text) for text in (*first, *(text for extra in LOCKS[name] for text in extras[extra]))]


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


def main(options: list[str]) -> None:
    every = [each for name in LOCKS for each in wanted(name)]
    ranges = {canonical(each.name): each.specifier for each in every}
    kept = {package: pin for name in LOCKS for package, pin in pins(name).items()}
    constraints = [
        f"{package}{pin.specifier}"
        for package, pin in kept.items()
        if package not in ranges or ranges[package].contains(str(pin.specifier).removeprefix("=="))
    ]
    metadata = resolved(every, constraints, options)
    locked: set[str] = set()
    for place, (name, extras) in enumerate(LOCKS.items()):
        asked = {canonical(each.name): each for each in wanted(name)}
        packages = closure(list(asked.values()), metadata) - locked
        locked |= packages
        head = "# Written by `make lock` from pyproject.toml: "
        head += f"{'extra' if place else 'dependencies, and extras'} {', '.join(extras)}.\n"
        base = f"-r {list(LOCKS)[place - 1]}\n" if place else ""
        lines = [line(package, metadata, asked) for package in sorted(packages)]
        (ROOT / name).write_text(head + base + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
