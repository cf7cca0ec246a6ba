"""Logging for workflow scripts: every line goes to the rule's log, milestones also to the console.

This is not a logging framework: a script opens its log once, and everything below it just prints.
"""

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO, TypeVar

from gavel.common.errors import InputError
from gavel.common.redaction import redact

Item = TypeVar("Item")

# Lines of a failed script's log that the console shows, and seconds between the log lines of a long loop.
TAIL_LINES = 20
LINE_EVERY_S = 30.0
BAR_AFTER_S = 1.0  # with `brief=False`, for loops that last at least this long

# The stderr that the process started with, while `script_log` redirects it to the log.
_console: TextIO | None = None
_label = ""
_relay: Callable[[str], None] | None = None  # in a process without a console of its own


@contextmanager
def script_log(path: str | Path, label: str, online: bool = False) -> Iterator[None]:
    """Redirect this process's stdout and stderr to a log file, including the output of C code and subprocesses.

    The log is appended to, so a run that was killed and resumed has one complete log. An exception is written to it (an
    `InputError` as its one line, others with the traceback), the last lines of the log go to the console, where
    Snakemake shows them, and the process exits with status 1 (130 after Ctrl-C). Passwords and keys are redacted
    (`gavel.common.redaction`): immediately in what goes through `info`, at the end in what libraries printed
    themselves.

    Args:
        path: the rule's log file, `snakemake.log[0]`.
        label: the job's name on the console, such as "rl grpo-lambda0.5-seed0". The folder above `logs` precedes it
            unless that is `results`, so that variants that run at the same time can be distinguished.
        online: whether the script may access the hub. Other scripts have what they need and must not wait for a
            network.
    """
    global _console, _label
    if not online:
        os.environ["HF_HUB_OFFLINE"] = "1"
    path = Path(path)
    above = path.parts[path.parts.index("logs") - 1] if "logs" in path.parts[1:] else "results"
    label = label if above == "results" else f"{above}: {label}"
    path.parent.mkdir(parents=True, exist_ok=True)
    saved = [os.dup(1), os.dup(2)]
    _flush()
    with open(path, "ab") as log:
        start = log.tell()
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    before = _console, _label
    console = os.fdopen(saved[1], "w", buffering=1, closefd=False)
    _console, _label = console, label
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # not a replacement, such as a test's
            stream.reconfigure(line_buffering=True)
    status = None
    try:
        info(f"{label}: started, process {os.getpid()}")
        yield
        info(f"{label}: done")
    except InputError as error:
        info(f"error: {error}")
        status = 1
    except KeyboardInterrupt:
        info("interrupted")
        status = 130
    except Exception:
        print(redact(traceback.format_exc()), file=sys.stderr, end="")
        status = 1
    finally:
        _flush()
        _console, _label = before
        for number, fd in enumerate(saved, start=1):
            os.dup2(fd, number)
        _redact(path, start)
        if status == 1:
            print(f"[{label}] failed; the last lines of {path}:", file=console)
            print(_tail(path, start), file=console)
        console.flush()
        for fd in saved:
            os.close(fd)
    if status is not None:
        raise SystemExit(status)


def info(text: str, console: bool = False) -> None:
    """Write a line with a timestamp to the log; with `console=True`, for milestones, also to the console.

    On the console, the job's label precedes the line. Outside `script_log` both are stderr, and the line is written
    once.
    """
    text = redact(text)
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", file=sys.stderr, flush=True)
    if console:
        print_to_console(text)


def print_to_console(text: str) -> None:
    """Write a line to the console only, if there is a console besides the log."""
    text = redact(text)
    if _relay is not None:
        _relay(text)
    elif _console is not None:
        print(f"[{_label}] {text}", file=_console, flush=True)


def redirect_console(console: Callable[[str], None]) -> None:
    """From now on, pass this process's console lines to a function."""
    global _relay
    _relay = console


def progress_bar(
    iterable: Iterable[Item], total: int | None = None, label: str = "", brief: bool = True
) -> Iterator[Item]:
    """Yield the items and show progress: a bar if the console is a terminal, and lines in the log.

    The log gets at most one line per `LINE_EVERY_S` seconds (count, rate, time left) and one at the end.

    Args:
        brief: whether to show short loops too. False is for loops that a training run enters at every step: it hides
            the bar of a loop that ends within `BAR_AFTER_S`, and the final line of one that ends within `LINE_EVERY_S`.
    """
    total = len(iterable) if total is None and isinstance(iterable, Sized) else total
    screen = _console or sys.stderr
    shown = None
    if screen.isatty():
        from tqdm import tqdm

        delay = 0.0 if brief else BAR_AFTER_S
        shown = tqdm(total=total, desc=f"{_label} {label}".strip(), file=screen, leave=False, delay=delay)
    started = logged = time.monotonic()
    done = 0
    try:
        for item in iterable:
            yield item
            done += 1
            if shown is not None:
                shown.update()
            now = time.monotonic()
            if now - logged >= LINE_EVERY_S:
                logged = now
                info(_line(label, done, total, now - started))
    finally:
        if shown is not None:
            shown.close()
        elapsed = time.monotonic() - started
        if (brief or elapsed >= LINE_EVERY_S) and (shown is None or _console is not None):
            info(_line(label, done, total, elapsed))


def _line(label: str, done: int, total: int | None, elapsed: float) -> str:
    rate = done / max(elapsed, 1e-9)
    text = f"{label} {done}{'' if total is None else f'/{total}'} in {_clock(elapsed)}, {rate:.3g}/s"
    return f"{text}, {_clock((total - done) / rate)} left" if total and 0 < done < total else text


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def _tail(path: Path, start: int) -> str:
    """The last lines written after an offset; an earlier attempt's lines would mislead."""
    with open(path, "rb") as handle:
        handle.seek(start)
        lines = handle.read().decode("utf-8", "replace").splitlines()
    return "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])


def _redact(path: Path, start: int) -> None:
    """Redact the secrets that were printed into the log after an offset."""
    with open(path, "r+b") as handle:
        handle.seek(start)
        printed = handle.read()
        hidden = redact(printed.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        if hidden != printed:
            handle.seek(start)
            handle.write(hidden)
            handle.truncate()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
