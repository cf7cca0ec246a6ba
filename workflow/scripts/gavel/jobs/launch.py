"""Start a job's additional processes: the ranks of training on several GPUs, or one process to isolate a call.

`accelerate launch` starts the ranks and Python the single process; each runs this module. The job that calls `train`
or `run_in_subprocess` keeps its lock, its log and its MLflow run. The processes inherit two pipes from it. Their
standard output carries requests to the job (lines for the console, steps for the mirror, the message of an
`InputError`); everything else that they print goes to the log. Nothing is written to their standard input: it closes
when the job ends in any way. The processes then exit, so that no orphan continues to write checkpoints.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO, get_type_hints

from gavel.common import log
from gavel.common.dataclass_config import convert
from gavel.common.errors import InputError
from gavel.common.files import read_json, write_json
from gavel.common.journal import Journal, Mirror
from gavel.common.paths import ACCELERATE
from gavel.jobs.threads import use_threads
from gavel.solutions.answers import budget, use_budget

MARK = "@gavel "  # prefix of a line for the job


@dataclass(frozen=True)
class RunFolders:
    """The folders of a training run.

    Attributes:
        output: for `best/`, `final/`, `monitor.csv`, `training.csv` and `run.json`.
        state: for checkpoints and journals, outside the workflow's outputs.
        digest: of everything that the result depends on; `state` is resumed only if the digest is the same.
    """

    output: str
    state: str
    digest: str


def train(
    module: str,
    compute: Mapping[str, Any],
    threads: int,
    run: RunFolders,
    mirror: Mirror | None = None,
    **arguments: Any,
) -> None:
    """Call a module's `train`, in this process or with the same arguments in each of several processes.

    Args:
        module: a library module, such as `gavel.training.rl.train`.
        compute: `processes`, and `distributed`, which names a file in `workflow/accelerate/`.
        threads: CPU threads of the job, divided among its processes.
        run: folders of the run; the arguments for several processes are written beside its state folder.
        mirror: updated by this process.
        arguments: further arguments of `train`, plain values; for a dataclass, an instance or a dict of its fields.

    Raises:
        InputError: a process raised one.
        RuntimeError: a process failed otherwise; the log has the reason.
    """
    processes = compute["processes"]
    if processes == 1:
        function = import_module(module).train
        function(**restore_dataclasses(function, arguments | {"run": run}), mirror=mirror)
        return
    threads_each = max(1, threads // processes)
    task = {"module": module, "function": "train", "arguments": arguments | {"run": run}, "threads": threads_each}
    command = ["accelerate.commands.launch", "--config_file", str(ACCELERATE / f"{compute['distributed']}.yaml")]
    command += ["--num_processes", str(processes), "--num_cpu_threads_per_process", str(threads_each), "-m"]
    _follow(command, task, Path(run.state).with_name(f"{Path(run.state).name}.job.json"), mirror)


def run_in_subprocess(function: Callable[..., None], task: str | Path, threads: int, /, **arguments: Any) -> None:
    """Call a library function in a separate process, which frees its memory, including GPU memory, when it ends.

    The process also has an importable main module, unlike a rule's script: vLLM starts processes from the main module
    and would run the script again in each.

    Args:
        task: file for the arguments while the process runs.
        threads: CPU threads of the process.
        arguments: the function's arguments, plain values; for a dataclass, an instance or a dict of its fields.

    Raises:
        InputError: the function raised one.
        RuntimeError: the process failed otherwise; the log has the reason.
    """
    call = {"module": function.__module__, "function": function.__name__, "arguments": arguments, "threads": threads}
    _follow([], call, Path(task), None)


def restore_dataclasses(function: Callable[..., object], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, with dicts converted to the dataclasses that the function is annotated with.

    Raises:
        TypeError: as `gavel.common.dataclass_config.from_section`.
    """
    hints = get_type_hints(function)
    return {name: convert(hints.get(name), value, name) for name, value in arguments.items()}


def _follow(launcher: list[str], task: dict[str, Any], path: Path, mirror: Mirror | None) -> None:
    """Run `python -m [launcher] gavel.jobs.launch path`, handle its requests, and raise its errors."""
    plain = {
        name: asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        for name, value in task["arguments"].items()
    }
    write_json(path, task | {"arguments": plain, "alone": not launcher, "batch_seconds": budget()})
    library = str(Path(__file__).parents[2])
    search = os.pathsep.join(filter(None, [library, os.environ.get("PYTHONPATH")]))
    errors: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-m", *launcher, "gavel.jobs.launch", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": search},
    ) as job:
        assert job.stdout  # a pipe
        try:
            for line in job.stdout:
                if line.startswith(MARK):
                    _handle(json.loads(line.removeprefix(MARK)), mirror, errors)
                else:
                    log.info(line.rstrip())
        except BaseException:
            job.terminate()
            raise
    path.unlink(missing_ok=True)
    if errors:
        raise InputError(errors[0])
    if job.returncode:
        raise RuntimeError(f"a process of {task['module']}.{task['function']} failed (status {job.returncode})")


def _handle(message: dict[str, Any], mirror: Mirror | None, errors: list[str]) -> None:
    if "console" in message:
        log.print_to_console(message["console"])
    if "error" in message:
        errors.append(message["error"])
    if "step" in message and mirror is not None:
        mirror.mirror(Journal(message["journal"]), message["step"])


class Relay:
    """A mirror that asks the job to mirror a journal up to a step."""

    def __init__(self, channel: TextIO):
        self.channel = channel

    def mirror(self, journal: Journal, up_to_step: int | None) -> None:
        send(self.channel, journal=str(journal.path), step=up_to_step)


def send(channel: TextIO, **message: object) -> None:
    channel.write(f"{MARK}{json.dumps(message)}\n")  # one short write, so that lines of two processes do not mix
    channel.flush()


def run(path: str) -> int:
    """The main function of each process; returns its exit status."""
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    threading.Thread(target=_end_with_the_job, daemon=True).start()
    task = read_json(path)
    use_threads(task["threads"])
    use_budget(task["batch_seconds"])
    rank = 0 if task["alone"] else _join()
    if rank == 0:
        log.redirect_console(lambda text: send(channel, console=text))
    mirror = {} if task["alone"] else {"mirror": Relay(channel) if rank == 0 else None}
    try:
        function = getattr(import_module(task["module"]), task["function"])
        function(**restore_dataclasses(function, task["arguments"]), **mirror)
    except InputError as error:
        send(channel, error=str(error))
        return 1
    return 0


def _join() -> int:
    """Join the ranks' process group; returns this process's rank."""
    from gavel.jobs.process_group import join  # accelerate, which a job of one process does not need

    return join()


def _end_with_the_job() -> None:
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1]))
