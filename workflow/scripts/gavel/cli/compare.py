"""`gavel compare`: compare several finished studies on one page."""

import argparse
import os
import shlex
import traceback
from pathlib import Path

from gavel.cli import output_file
from gavel.cli.commands import Commands, add_command
from gavel.common.errors import InputError, first_line
from gavel.common.files import is_replaceable
from gavel.study.layout import Layout


def add_compare(commands: Commands) -> None:
    parser = add_command(
        commands,
        "compare",
        help="compare finished studies: their main results side by side on one page",
        description="Writes one page with the main results of several studies.",
        examples=[
            "compare results/a results/b",
            "compare results/judge-strength --axis judge_auc --out docs/strength.html",
        ],
    )
    parser.add_argument(
        "folders",
        metavar="RESULTS",
        nargs="+",
        help="a study's results folder, with its report.html and config.yaml, or a sweep's",
    )
    parser.add_argument(
        "--out",
        default="comparison.html",
        metavar="PAGE.html",
        help=f"page to write (%(default)s), {output_file.HELP}",
    )
    parser.add_argument("--question", default="How do these studies compare?", help="the page's title")
    parser.add_argument(
        "--axis",
        choices=("variant", "labels", "judge_auc", "judge_j", "bias_strength", "judge_tokens"),
        default="variant",
        help="plot accuracy against the studies by name, their number of labels, their judge's AUC or Youden's J, the "
        "strength of a simulated judge's bias, or the judge's tokens",
    )
    parser.set_defaults(run=compare)


def compare(options: argparse.Namespace) -> None:
    """`gavel compare`: read the folders and write the page."""
    from gavel.report.comparison import page  # matplotlib and pandas take seconds; other commands should not wait
    from gavel.study.schema.study import fill_defaults

    output_file.check("--out", options.out)
    names = _names([study for folder in options.folders for study in _studies(folder)])
    settings = {
        "title": "comparison",
        "question": _readable(options.question),
        "axis": options.axis,
        "command": _readable(shlex.join(["gavel", "compare", *options.folders, "--axis", options.axis])),
    }
    try:
        page.render(names, options.out, **settings, complete=fill_defaults)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{error.filename or options.out}: {error.strerror}; check the path") from None
    except Exception as error:  # a folder assembled by hand can be invalid in more ways than are checked for
        raise InputError(
            f"{', '.join(options.folders)}: a file there is not as a study writes it ({first_line(error)}, in "
            f"{_place(error)}); run the study to its end with this version, or leave it out"
        ) from error
    if is_replaceable(options.out):  # not a terminal or pipe, which has already shown the page
        print(f"open {options.out}")


def _place(error: Exception) -> str:
    """The file and line in this project that raised an error."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "gavel" in Path(frame.filename).parts]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"


def _studies(folder: str) -> list[str]:
    """The folder, or its variants' folders if it is a sweep's."""
    if Path(Layout(folder).config).exists():
        return [folder]
    return sorted(str(path) for path in Path(folder).glob("*") if Path(Layout(path).config).exists()) or [folder]


def _readable(text: str) -> str:
    """Text from the command line for the page; replaces bytes that are not UTF-8, for example in a folder's name."""
    return os.fsencode(text).decode("utf-8", errors="replace")


def _names(folders: list[str]) -> dict[str, str]:
    """Name -> folder of each study: the folder's name, with as much of the path as makes names unique."""
    paths = [Path(folder).resolve() for folder in folders]
    if len(set(paths)) < len(paths):
        raise InputError("the same folder is given twice; give each study once")
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = [_readable("/".join(path.parts[-depth:])) for path in paths]
        if len(set(names)) == len(names):
            break
    return dict(zip(names, folders, strict=True))
