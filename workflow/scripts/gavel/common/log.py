"""Where a workflow script's words go: all to the rule's log, the few that matter to the console as well.

It is not a logging framework: a script opens its log once, everything below it just prints.
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
from gavel.common.redaction import redacted

Item = TypeVar("Item")

# How much of a failed script's log the console shows, and how often a long loop writes a line.
TAIL_LINES = 20
LINE_EVERY_S = 30.0
BAR_AFTER_S = 1.0  # of a loop whose brief runs are not shown

# The stderr that the process started with, while `script_log` has put the log in its place.
_console: TextIO | None = None
_label = ""
_relay: Callable[[str], None] | None = None  # in a process that has no console of its own


@contextmanager
def script_log(path: str | Path, label: str, online: bool = False) -> Iterator[None]:
    """Send standard output and error of this process to a log file, also what C code and subprocesses write.

    The log is appended to, so that a run which was killed and resumed tells its whole story. An exception is written to
    it (an `InputError` as its one line, others with the traceback), its last lines go to the console, where Snakemake
    shows them, and the process exits with status 1 (130 after Ctrl-C). Passwords and keys are hidden
    (`gavel.common.redaction`): at once in what goes through `say`, at the end in what libraries printed themselves.

    Args:
        path: the rule's log file, `snakemake.log[0]`.
        label: names the job on the console, such as "rl grpo-lambda0.5-seed0"; the folder above `logs` stands before
            it where it has a name of its own, so that variants that run side by side can be told apart.
        online: the script may ask the hub. The others have what they need, and must not wait for a network.
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
        if isinstance(stream, TextIOWrapper):  # and no stand-in, such as a test's
            stream.reconfigure(line_buffering=True)
    status = None
    try:
        say(f"{label}: started, process {os.getpid()}")
        yield
        say(f"{label}: done")
    except InputError as error:
        say(f"error: {error}")
        status = 1
    except KeyboardInterrupt:
        say("interrupted")
        status = 130
    except Exception:
        print(redacted(traceback.format_exc()), file=sys.stderr, end="")
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


def say(text: str, console: bool = False) -> None:
    """Write a line with the time to the log; `console=True`, for milestones, also to the console.

    The console shows the job's label before it. Outside `script_log` both are standard error, and the line is
    written once.
    """
    text = redacted(text)
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", file=sys.stderr, flush=True)
    if console:
        show(text)


def show(text: str) -> None:
    """Write a line to the console alone, where there is one beside the log."""
    text = redacted(text)
    if _relay is not None:
        _relay(text)
    elif _console is not None:
        print(f"[{_label}] {text}", file=_console, flush=True)


def relay(console: Callable[[str], None]) -> None:
    """From now on this process's lines for the console go to a function."""
    global _relay
    _relay = console


def bar(iterable: Iterable[Item], total: int | None = None, label: str = "", brief: bool = True) -> Iterator[Item]:
    """Yield the items, showing how far they are: a bar where the console is a terminal, and lines in the log.

    The log gets at most one line in `LINE_EVERY_S` seconds (count, rate, time left) and one at the end.

    Args:
        brief: whether brief loops are shown too. False, for loops that a training run enters at every step, shows
            nothing of one that ends within `BAR_AFTER_S` (the bar) or `LINE_EVERY_S` (the line at the end).
    """
    total = len(iterable) if total is None and isinstance(iterable, Sized) else total
    screen = _console or sys.stderr
    shown = None
    if screen.isatty():
        from tqdm import tqdm

        delay = 0.0 if brief else BAR_AFTER_S
        shown = tqdm(total=total, desc=f"{_label} {label}".strip(), file=screen, leave=False, delay=delay)
    begun = told = time.monotonic()
    done = 0
    try:
        for item in iterable:
            yield item
            done += 1
            if shown is not None:
                shown.update()
            now = time.monotonic()
            if now - told >= LINE_EVERY_S:
                told = now
                say(_line(label, done, total, now - begun))
    finally:
        if shown is not None:
            shown.close()
        elapsed = time.monotonic() - begun
        if (brief or elapsed >= LINE_EVERY_S) and (shown is None or _console is not None):
            say(_line(label, done, total, elapsed))


def _line(label: str, done: int, total: int | None, elapsed: float) -> str:
    rate = done / max(elapsed, 1e-9)
    text = f"{label} {done}{'' if total is None else f'/{total}'} in {_clock(elapsed)}, {rate:.3g}/s"
    return f"{text}, {_clock((total - done) / rate)} left" if total and 0 < done < total else text


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def _tail(path: Path, start: int) -> str:
    """The last lines that were written from an offset on; an earlier attempt's lines would mislead."""
    with open(path, "rb") as handle:
        handle.seek(start)
        lines = handle.read().decode("utf-8", "replace").splitlines()
    return "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])


def _redact(path: Path, start: int) -> None:
    """Hide the secrets that something printed into the log from an offset on."""
    with open(path, "r+b") as handle:
        handle.seek(start)
        printed = handle.read()
        hidden = redacted(printed.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        if hidden != printed:
            handle.seek(start)
            handle.write(hidden)
            handle.truncate()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
