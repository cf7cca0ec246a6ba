"""What reaches the rule's log and what the console, in real processes."""

import os
import pty
import subprocess
import sys
from pathlib import Path

from gavel.common import log as progress
from gavel.common.paths import ROOT

HEAD = f"""
import os, subprocess, sys
sys.path.insert(0, {str(ROOT / "workflow" / "scripts")!r})
from gavel.common import log as progress
from gavel.common.errors import InputError
from gavel.common.log import progress_bar, info, script_log
"""


def script(tmp_path: Path, body: str, folder: str = "results", **options) -> tuple[subprocess.CompletedProcess, str]:
    log = tmp_path / folder / "logs/rl.log"
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    code = f"{HEAD}with script_log({str(log)!r}, label='rl grpo'):\n{lines}print('after', file=sys.stderr)\n"
    done = subprocess.run([sys.executable, "-c", code], text=True, check=False, **({"capture_output": True} | options))
    return done, log.read_text()


def test_everything_goes_to_the_log_and_milestones_to_the_console(tmp_path):
    done, log = script(
        tmp_path,
        """
print("printed")
os.write(2, b"from C\\n")
subprocess.run(["sh", "-c", "echo from a child"])
info("quiet")
info("step 40/80", console=True)
""",
    )
    assert done.returncode == 0 and done.stdout == ""
    assert done.stderr == "[rl grpo] step 40/80\nafter\n"
    places = [log.index(text) for text in ("printed", "from C", "from a child", "quiet", "step 40/80", "done")]
    assert places == sorted(places)


def test_jobs_of_variants_are_told_apart(tmp_path):
    done, _ = script(tmp_path, 'info("step 1/2", console=True)', folder="judge-strength/weak")
    assert done.stderr.startswith("[weak: rl grpo] step 1/2")


def test_an_input_error_is_one_line(tmp_path):
    done, log = script(tmp_path, "raise InputError('data.jsonl:3: no answer')")
    assert done.returncode == 1
    assert "Traceback" not in log + done.stderr
    assert "error: data.jsonl:3: no answer" in log and "error: data.jsonl:3: no answer" in done.stderr


def test_a_failure_shows_the_end_of_this_attempts_log(tmp_path):
    script(tmp_path, "print('first attempt')")
    done, log = script(tmp_path, "for i in range(50): print(f'line {i}')\nNone.missing")
    assert done.returncode == 1 and "first attempt" in log
    assert done.stderr.count("AttributeError") == 1 and "after" not in done.stderr
    assert "line 49" in done.stderr and "line 20\n" not in done.stderr and "first attempt" not in done.stderr
    assert len(done.stderr.splitlines()) == progress.TAIL_LINES + 1
    assert "Traceback" in log


def test_ctrl_c_and_an_explicit_exit_status(tmp_path):
    done, log = script(tmp_path, "raise KeyboardInterrupt")
    assert (done.returncode, done.stderr) == (130, "") and "interrupted" in log
    done, _ = script(tmp_path, "sys.exit(3)")
    assert (done.returncode, done.stderr) == (3, "")


def test_a_loop_writes_few_lines_where_nobody_watches(tmp_path):
    body = "progress.LINE_EVERY_S = {}\nassert list(progress_bar(range(7), label='eval')) == list(range(7))"
    _, log = script(tmp_path, body.format(30))
    assert log.count("eval") == 1 and "eval 7/7 in 0:00" in log
    done, log = script(tmp_path, body.format(0))
    assert "eval 3/7 in 0:00, " in log and " left" in log and done.stderr == "after\n"


def test_a_loop_of_every_step_is_told_of_only_where_it_is_long(tmp_path):
    body = "progress.LINE_EVERY_S = {}\nassert list(progress_bar(range(3), label='batches', brief=False)) == [0, 1, 2]"
    _, log = script(tmp_path, body.format(30))
    assert "batches" not in log
    _, log = script(tmp_path, body.format(0))
    assert "batches 2/3 in 0:00, " in log and "batches 3/3 in 0:00" in log


def test_a_terminal_gets_a_bar(tmp_path):
    leader, follower = pty.openpty()
    done, log = script(
        tmp_path,
        "for _ in progress_bar(iter('abc'), total=3, label='eval'): pass",
        stdout=subprocess.DEVNULL,
        stderr=follower,
        capture_output=False,
    )
    os.close(follower)
    screen = os.read(leader, 65536).decode()
    os.close(leader)
    assert done.returncode == 0 and "rl grpo eval:" in screen and "0/3" in screen
    assert "eval 3/3" in log and "eval:" not in log


def test_an_empty_loop_and_one_that_is_left(tmp_path):
    _, log = script(
        tmp_path, "list(progress_bar([], label='none'))\nfor _ in progress_bar(range(9), label='some'): break"
    )
    assert "none 0/0" in log and "some 0/9" in log


def test_info_outside_a_script_writes_one_line(capsys):
    progress.info("hello", console=True)
    assert capsys.readouterr().err.endswith(" hello\n")
