"""What becomes of the sandbox's workers when their parent forks or is killed; its limits in a process of their own."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gavel.common.paths import ROOT
from gavel.solutions.sandbox import confinement
from gavel.solutions.sandbox import pool as programs
from gavel.solutions.sandbox.pool import run_programs

LIBRARY = ROOT / "workflow" / "scripts"
HONEST = "def solution():\n    return 18"


def body(*lines: str) -> str:
    return "def solution():\n" + "".join(f"    {line}\n" for line in lines)


def started(code: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(LIBRARY)} | environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def gone(process: int) -> bool:
    status = Path(f"/proc/{process}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


def until(true, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    return true()


@pytest.mark.parametrize("kind", [(), ("sympy",)])
def test_busy_workers_die_with_their_parent(kind):
    code = (
        "import threading, time\nfrom gavel.solutions.sandbox import pool as programs\n"
        f"arguments = ('unchecked',) + (('sympy=' + programs._packages(),) if {kind!r} else ())\n"
        "pool = programs._Pool(1, arguments, grace=1000.0)\n"
        "pool.run(['def solution(): return 1'], 60)\n"
        "print(pool.workers[0].process.pid, flush=True)\n"
        "pool.run(['import time\\ndef solution(): return time.sleep(1000)'], 1000.0)\n"
    )
    parent = started(code)
    worker = int(parent.stdout.readline())
    children = Path(f"/proc/{worker}/task/{worker}/children")
    if kind:
        assert until(lambda: children.read_text().strip())
    else:
        time.sleep(0.5)
    family = [worker, *map(int, children.read_text().split())]
    parent.send_signal(signal.SIGKILL)
    parent.wait(timeout=20)
    parent.stdout.close()
    assert until(lambda: all(map(gone, family)))


def test_workers_outlive_the_thread_that_asked_first():
    code = (
        "import threading\nfrom gavel.solutions.sandbox import pool as programs\n"
        "thread = threading.Thread(target=lambda: programs.run_programs(['def solution(): return 1']))\n"
        "thread.start(); thread.join()\n"
        "before = [worker.process.pid for worker in programs._pools[False].workers]\n"
        "assert programs.run_programs(['def solution(): return 2']) == ['2']\n"
        "assert before == [worker.process.pid for worker in programs._pools[False].workers]\n"
        "assert all(worker.process.poll() is None for worker in programs._pools[False].workers)\n"
        "print('same')\n"
    )
    process = started(code)
    assert process.communicate(timeout=60)[0] == "same\n"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_no_folder_remains_after_a_signal(tmp_path, name):
    code = (
        "from gavel.solutions.sandbox.pool import run_programs\n"
        "run_programs(['def solution(): return 1'])\nprint('busy', flush=True)\n"
        "run_programs(['def solution():\\n    while True: pass'], timeout_s=1000, budget_s=1000)\n"
    )
    process = started(code, TMPDIR=str(tmp_path))
    assert process.stdout.readline() == "busy\n"
    process.send_signal(getattr(signal, name))
    process.wait(timeout=20)
    process.stdout.close()
    assert list(tmp_path.iterdir()) == []


def test_the_next_run_removes_the_folder_of_a_process_that_was_killed_beside_it(tmp_path):
    code = "import os\nfrom gavel.solutions.sandbox import pool\nwith pool._scratch():\n    os.kill(os.getpid(), 9)"
    killed = started(code, TMPDIR=str(tmp_path))
    killed.communicate(timeout=60)
    (left,) = tmp_path.iterdir()
    alive = tmp_path / f"gavel-programs-{os.getpid()}-alive"
    full = tmp_path / left.name.replace("gavel-programs-", "gavel-programs-9")  # of no process either
    for folder in (alive, full):
        folder.mkdir()
    (full / "file").write_text("of somebody's")
    started(
        "from gavel.solutions.sandbox.pool import run_programs\nrun_programs([''])", TMPDIR=str(tmp_path)
    ).communicate(timeout=60)
    assert {path.name for path in tmp_path.iterdir()} == {alive.name, full.name}


def test_no_worker_outlives_its_parent():
    """A parent that is killed takes its idle workers along: their streams end."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        pool = programs._Pool(1, ("unchecked",))
        pool.run([HONEST], 5.0)
        os.write(writer, str(pool.workers[0].process.pid).encode())
        signal.pause()
    worker = int(os.read(reader, 20))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for _ in range(100):
        status = Path(f"/proc/{worker}/stat")
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.1)
    raise AssertionError(f"worker {worker} runs ten seconds after its parent's death")


def test_the_limits_alone_let_nothing_be_opened(tmp_path):
    # What code that escaped the language would meet where there is no seccomp filter.
    code = (
        "import runpy, socket, os, json, sys\n"
        f"confinement = runpy.run_path({confinement.__file__!r})\n"
        "confinement['limit_resources']()\n"
        "found = []\n"
        "for attempt in (lambda: open('/etc/passwd'), lambda: open('x', 'w'), socket.socket, os.pipe):\n"
        "    try:\n        attempt()\n        found.append('worked')\n"
        "    except OSError as error:\n        found.append(error.errno)\n"
        "print(found)\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.stdout.strip() == "[24, 24, 24, 24]", done.stderr
    assert list(tmp_path.iterdir()) == []


def _in_child(queue):
    queue.put((run_programs([body("return 5")]), [worker.process.pid for worker in programs._pools[False].workers]))
    programs.close()


def test_a_forked_process_gets_workers_of_its_own():
    run_programs([HONEST])
    parents = {worker.process.pid for worker in programs._pools[False].workers}
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(queue,))
    child.start()
    answers, workers = queue.get(timeout=20)
    child.join(timeout=20)
    assert answers == ["5"]
    assert parents.isdisjoint(workers)
    assert run_programs([HONEST]) == ["18"]
    assert parents == {worker.process.pid for worker in programs._pools[False].workers}
