"""Make an environment for the GPU check, without a network: this Python's own packages, and collected wheels.

    python install_wheels.py FOLDER ENVIRONMENT

Run it with the Python that has PyTorch and transformers. FOLDER is from `tools/collect_wheels.py`; nothing is installed
into this Python. It needs nothing but the standard library and pip.
"""

import site
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main(wheels: Path, environment: Path) -> None:
    if not (wheels / "requirements.txt").exists():
        raise SystemExit(f"{wheels}: no requirements.txt; collect the wheels with tools/collect_wheels.py")
    # Without pip, which not every Python can install into an environment; this one's installs there.
    venv.create(environment, system_site_packages=True, symlinks=True, with_pip=False)
    python = environment / "bin" / "python"
    folder = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.strip()
    # If this Python is in an environment itself, the new one sees the packages of the system's Python, not of this one.
    lines = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
    lines += [str(ROOT / "workflow" / "scripts")]
    (Path(folder) / "gpu-check.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index"]
    subprocess.run(
        [*install, "--find-links", str(wheels), "--requirement", str(wheels / "requirements.txt")], check=True
    )
    print(f"installed; now: make test-gpu ENVIRONMENT={environment.resolve()}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("\n".join(__doc__.splitlines()[2:3]).strip())
    main(Path(sys.argv[1]), Path(sys.argv[2]))
