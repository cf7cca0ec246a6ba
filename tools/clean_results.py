"""Delete results after listing them and asking for confirmation: `make clean-results`.

    clean_results.py [--force] FOLDER

The folder is the project's `results`, whose README.md is kept, or one below it. Without a terminal, `--force`
(`FORCE=1`) is required.
"""

import argparse
import shutil
import sys
from pathlib import Path


def main() -> int:
    """Returns the exit status: 0 if no results are left, 1 if nothing was deleted, 2 if FOLDER is not in results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--force", action="store_true", help="delete without asking")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    results, folder = Path("results").resolve(), options.folder.resolve()
    if not folder.is_relative_to(results):
        print(f"{options.folder} is not in the project's folder results; delete it yourself", file=sys.stderr)
        return 2
    found = [folder] if folder != results else [path for path in folder.iterdir() if path.name != "README.md"]
    found = sorted(path for path in found if path.exists() or path.is_symlink())
    if not found:
        print(f"{options.folder}: no results to delete")
        return 0
    for path in found:
        print(f"{path}{'/' if path.is_dir() else ''}  {size(path) / 1e6:,.1f} MB")
    if not options.force:
        if not sys.stdin.isatty():
            print("not deleted: there is no terminal to ask for confirmation; use FORCE=1", file=sys.stderr)
            return 1
        if input("Delete all of it? [y/N] ").strip().lower() not in ("y", "yes"):
            print("not deleted")
            return 1
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    print("deleted")
    return 0


def size(path: Path) -> int:
    """Size in bytes of a file, or of all files below a folder."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(size(below) for below in path.iterdir())


if __name__ == "__main__":
    sys.exit(main())
