"""The `gavel` command: train small language models with an LLM judge's reward, and look at judges, files and results.

Each subcommand is one file in `gavel.cli`, with a function that registers its parser and one that runs it. `COMMANDS`
lists the former.
"""

import argparse
import io
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from typing import Any, TextIO

from gavel import __version__
from gavel.cli.check import add_check
from gavel.cli.commands import current_name
from gavel.cli.compare import add_compare
from gavel.cli.cost import add_cost
from gavel.cli.explain import add_explain
from gavel.cli.export import add_export
from gavel.cli.harness import add_harness
from gavel.cli.init import add_init
from gavel.cli.judge import add_judge
from gavel.cli.publish import add_publish
from gavel.cli.replay import add_replay
from gavel.cli.resources import add_resources
from gavel.cli.run import add_run
from gavel.cli.score import add_score
from gavel.cli.status import add_status
from gavel.cli.sync import add_sync
from gavel.cli.ui import add_ui
from gavel.cli.verifiers import add_verifiers
from gavel.cli.watch import add_watch
from gavel.common.errors import InputError

COMMANDS = (
    add_init,
    add_check,
    add_run,
    add_status,
    add_watch,
    add_explain,
    add_score,
    add_verifiers,
    add_judge,
    add_replay,
    add_export,
    add_harness,
    add_compare,
    add_publish,
    add_cost,
    add_resources,
    add_sync,
    add_ui,
)

EPILOG = (
    "`gavel run STUDY.yaml` trains; `gavel init NAME` writes a study to start from. "
    "`gavel COMMAND --help` has examples."
)
CLOSED = 128 + signal.SIGPIPE  # exit status of other tools after a broken pipe, for example into `head`


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit status: 0, or a subcommand's own; 2 with one line on stderr for bad input, and 2 with the help if no
        subcommand is given; 130 after Ctrl-C; 141, silently, after a broken output pipe.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # escape characters that the terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    parser = command_parser()
    try:
        with redirect_stdout(_Output(sys.stdout)):
            try:
                options = _parsed(parser, current_name(sys.argv[1:] if arguments is None else arguments))
                status = options.run(options)
            finally:
                sys.stdout.flush()
    except InputError as error:
        _complain(str(error))
        return 2
    except _Closed:
        return CLOSED
    except KeyboardInterrupt:
        _complain("interrupted")
        return 128 + signal.SIGINT
    return status or 0


def command_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gavel",
        description="Trains small language models with rewards from an LLM judge. A study is one YAML file.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"gavel {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    for register in COMMANDS:
        register(commands)

    def show_help(options: argparse.Namespace) -> int:
        parser.print_help()
        return 2

    parser.set_defaults(run=show_help)
    return parser


def _parsed(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """The options. `gavel run` may have targets after its options, which argparse alone refuses, and then `--` and
    options of Snakemake."""
    end = arguments.index("--") if arguments[:1] == ["run"] and "--" in arguments else len(arguments)
    options, left = parser.parse_known_args(arguments[:end])
    if left and (not hasattr(options, "targets") or any(word.startswith("-") for word in left)):
        parser.error(f"unrecognized arguments: {' '.join(left)}")
    if hasattr(options, "targets"):
        options.targets += left
        options.snakemake = list(arguments[end + 1 :])
    return options


class _Closed(Exception):
    """The reader of standard output has closed it."""


class _Output:
    """Standard output; distinguishes its own errors from those of other pipes."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        written: int = self._tried("write", text)
        return written

    def flush(self) -> None:
        self._tried("flush")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _tried(self, method: str, *arguments: object) -> Any:
        if self._stream is None:  # closed from the start
            return None
        try:
            return getattr(self._stream, method)(*arguments)
        except OSError as error:
            _discard(self._stream)
            if isinstance(error, BrokenPipeError):
                raise _Closed from None
            raise InputError(f"the output cannot be written ({error.strerror})") from None


def _discard(stream: TextIO) -> None:
    """Discard a stream's remaining buffer; otherwise Python tries to write it at exit, and complains again."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _complain(text: str) -> None:
    try:
        print(f"gavel: {text}", file=sys.stderr, flush=True)
    except OSError:  # stderr is closed
        _discard(sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
