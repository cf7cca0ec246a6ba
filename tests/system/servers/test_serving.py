"""Servers that a job starts itself: real processes that start late, fail, die and lose their port."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from gavel.common.errors import InputError
from gavel.common.paths import ROOT
from gavel.jobs import serving_process
from gavel.jobs.serving import serving, visible_devices, wait_for
from gavel.judge import load
from gavel.judge.access import judge_access
from gavel.study.checks import check
from gavel.study.params import judge as study_judge
from gavel.study.resolve import resolve
from helpers.own_server import command, pid_of, study


@contextmanager
def started(folder, options=None, **settings):
    with serving(
        "test server", command(**options or {}), key="x", model="m", log=folder / "server.log", **settings
    ) as s:
        yield s


def pid(served) -> int:
    return json.loads(Path(served.status).read_text())["pid"]


def runs(process: int) -> bool:
    """Whether a process runs; one that has ended and waits to be noticed does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(true, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def get(served, path="/v1/models"):
    return urllib.request.urlopen(served.url + path, timeout=5).status


@pytest.mark.parametrize("options", [{"late": 1}, {"health": "no"}])
def test_it_is_ready_when_the_block_begins_and_gone_when_it_ends(tmp_path, capfd, options):
    with started(tmp_path, options) as served:
        assert get(served) == 200
        server = pid(served)
        assert runs(server)
        wait_for("test server", served.status)
    assert not runs(server)
    assert not Path(served.status).exists()
    assert (tmp_path / "server.log").read_text() == "loading weights\n"
    assert f"test server: ready after {options.get('late', 0)}." in capfd.readouterr().err


def test_the_block_s_own_error_ends_the_server_and_what_it_started(tmp_path):
    with pytest.raises(ZeroDivisionError), started(tmp_path, {"child": tmp_path / "child", "deaf": "yes"}) as served:
        server, child = pid(served), int((tmp_path / "child").read_text())
        assert runs(server) and runs(child)
        os.kill(server, signal.SIGTERM)  # which it does not heed
        raise ZeroDivisionError
    assert not runs(server)
    assert not runs(child)


def test_a_server_that_ends_at_once_is_told_with_its_last_lines(tmp_path, capfd):
    begun = time.monotonic()
    with (
        pytest.raises(
            InputError, match=r"^x: `.*status=2` did not start a server: it ended with status 2 before it answered"
        ),
        started(tmp_path, {"status": 2}),
    ):
        pass
    assert time.monotonic() - begun < 10
    assert "    no such model\n" in capfd.readouterr().err


def test_a_server_that_never_answers_is_given_up_and_ended(tmp_path, capfd):
    with (
        pytest.raises(InputError, match=r"did not answer within 1\.5 s"),
        started(tmp_path, {"hang": "yes"}, startup_timeout_s=1.5),
    ):
        pass
    server = int(capfd.readouterr().err.split("process ")[1].split(",")[0])
    assert not runs(server)


@pytest.mark.parametrize("options", [{"taken": 2}, {"exclusive": "yes"}])
def test_a_taken_port_is_exchanged_for_another(tmp_path, capfd, options):
    if "taken" in options:
        count = tmp_path / "count"
        count.write_text(str(options["taken"]))
        options = {"taken": count}
    with started(tmp_path, options) as served:
        assert get(served) == 200
    assert "is taken" in capfd.readouterr().err


def test_ports_are_not_tried_for_ever(tmp_path):
    (tmp_path / "count").write_text("99")
    with pytest.raises(InputError, match="ended with status 1"), started(tmp_path, {"taken": tmp_path / "count"}):
        pass
    assert int((tmp_path / "count").read_text()) == 99 - serving_process.PORTS


def test_a_killed_server_is_started_again_where_it_was(tmp_path, capfd):
    with started(tmp_path, {"child": tmp_path / "child"}, restarts=1) as served:
        server, child = pid(served), int((tmp_path / "child").read_text())
        os.kill(server, signal.SIGKILL)
        wait_until(lambda: pid(served) != server)
        assert not runs(child)
        wait_for("test server", served.status)
        assert get(served) == 200
        os.kill(pid(served), signal.SIGKILL)
        wait_until(lambda: "gone" in Path(served.status).read_text())
        with pytest.raises(InputError, match=r"test server is gone: it was killed by signal 9, after 1 restart"):
            wait_for("test server", served.status)
    told = capfd.readouterr().err
    assert "it was killed by signal 9; restarting it (1 of 1)" in told
    assert "it was killed by signal 9 and is not restarted" in told


def test_who_asks_waits_while_it_is_started_again(tmp_path, capfd):
    with started(tmp_path, {"late": 2}, restarts=1) as served:
        os.kill(pid(served), signal.SIGKILL)
        wait_until(lambda: "starting" in Path(served.status).read_text())
        wait_for("test server", served.status)
        assert get(served) == 200
    assert "waiting for the test server" in capfd.readouterr().err


def test_an_error_after_the_server_s_end_is_told_as_that(tmp_path):
    """As when TRL cannot reach its server any more."""
    with pytest.raises(InputError, match="test server is gone: it was killed by signal 9"), started(tmp_path) as served:
        os.kill(pid(served), signal.SIGKILL)
        wait_until(lambda: "gone" in Path(served.status).read_text())
        get(served)


JOB = """
import signal, sys, time
from gavel.jobs.serving import serving
signal.signal(signal.SIGINT, signal.default_int_handler)  # who was started in the background ignores it
with serving("test server", {command}, key="x", model="m", log={log!r}, **{settings}) as served:
    print(served.status, flush=True)
    time.sleep(600)
"""


@contextmanager
def job(folder, options=None, **settings):
    """A process that has started a server and waits; with the server's id and that of what watches over it."""
    log = str(folder / "server.log")
    program = JOB.format(command=command(**options or {}), log=log, settings=settings)
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        status = Path(process.stdout.readline().strip())
        server = json.loads(status.read_text())["pid"]
        watcher = int(Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()[1])
        yield process, server, watcher, status
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_job_that_is_killed_leaves_nothing_behind(tmp_path, number):
    with job(tmp_path, {"child": tmp_path / "child"}) as (process, server, watcher, status):
        child = int((tmp_path / "child").read_text())
        assert all(map(runs, (server, watcher, child)))
        process.send_signal(number)
        process.wait(20)
        wait_until(lambda: not any(map(runs, (server, watcher, child))))
        assert not status.exists()


def test_a_job_killed_while_its_server_starts_leaves_nothing_behind(tmp_path):
    """And until the server listens, nobody else can have its port."""
    program = JOB.format(command=command(hang="yes"), log=str(tmp_path / "server.log"), settings={})
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    try:
        line = process.stderr.readline()
        server, port = (int(line.split(word)[1].split(",")[0]) for word in ("process ", "port "))
        assert runs(server)
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: not runs(server))
    process.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's part is Linux's")
def test_whoever_kills_the_watcher_ends_the_server_too(tmp_path, number):
    """Slurm signals every process of a job."""
    with job(tmp_path) as (_, server, watcher, _):
        os.kill(watcher, number)
        wait_until(lambda: not runs(server))


def test_a_job_that_waits_in_vain_is_ended(tmp_path):
    """As one that sends weights to a server which is no more."""
    with job(tmp_path, ends_job_after=1.0) as (process, server, _, _):
        os.kill(server, signal.SIGKILL)
        assert process.wait(20) == -signal.SIGTERM


@pytest.mark.parametrize(
    ("given", "gpus", "seen"),
    [(None, [1], "1"), ("4,6,7", [1, 2], "6,7"), ("GPU-a, GPU-b", [1], "GPU-b"), ("0", [], "")],
)
def test_gpus_are_counted_among_those_of_the_job(tmp_path, monkeypatch, given, gpus, seen):
    if given is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert visible_devices(gpus, "judge.server") == seen
    with started(tmp_path, {"gpus": tmp_path / "seen"}, gpus=gpus):
        assert (tmp_path / "seen").read_text() == repr(seen)
    with started(tmp_path, {"gpus": tmp_path / "seen"}):
        assert (tmp_path / "seen").read_text() == repr(given)


def test_a_gpu_that_the_job_was_not_given_is_refused(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with pytest.raises(
        InputError, match=r"judge.server.gpus has GPU 1, counted from 0, but the job has 1 GPUs \(CUDA_V.*compute.gpus"
    ):
        visible_devices([1], "judge.server")


def test_a_program_that_is_not_there_is_named(tmp_path):
    with (
        pytest.raises(InputError, match=r"x.command: program 'vlm' not found"),
        serving("s", "vlm serve {model}", key="x", model="m", log=tmp_path / "log"),
    ):
        pass


def ask(access, n, **settings):
    return load.load(model="m", **settings, **access).verdicts(["q"] * n, [str(i) for i in range(n)])


def test_a_judge_s_answers_do_not_depend_on_the_port(tmp_path):
    cache, addresses, asked = str(tmp_path / "answers.sqlite"), set(), []
    for _ in range(2):
        with judge_access(study(tmp_path), tmp_path / "judge.log") as access:
            addresses.add(access["server"]["base_url"])
            single = load.load(model="m", cache=cache, **access)
            assert all(verdict.score for verdict in single.verdicts(["q"] * 3, ["1", "2", "3"]))
            asked.append(single.usage.cached)
    assert len(addresses) == 2
    assert asked == [0, 3]
    assert (tmp_path / "judge.judge-server.log").exists()


def test_a_judge_is_asked_directly_where_there_is_a_proxy(tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with judge_access(study(tmp_path), tmp_path / "judge.log") as access:
        assert ask(access, 1)[0].score is not None
    assert "127.0.0.1" not in os.environ.get("no_proxy", "")


def test_what_a_dying_server_did_not_answer_is_missing_and_the_next_is_asked(tmp_path, capfd):
    ready = tmp_path / "ready"
    ready.touch()
    options = {"requests": 5, "ready": ready}
    with judge_access(study(tmp_path, options, restarts=1), tmp_path / "judge.log") as access:
        single = load.load(model="m", **access)
        first = single.verdicts(["q"] * 9, [str(i) for i in range(9)])
        missing = [verdict.score is None for verdict in first]
        assert 0 < missing.count(True) < 9
        wait_until(lambda: "(1 of 1)" in capfd.readouterr().err)
        ready.touch()
        assert [verdict.score is None for verdict in single.verdicts(["q"] * 3, ["a", "b", "c"])] == [False] * 3
        os.kill(pid_of(access), signal.SIGKILL)
        wait_until(lambda: "gone" in Path(access["server"]["status"]).read_text())
        with pytest.raises(InputError, match="the judge server is gone: it was killed by signal 9"):
            single.verdicts(["q"], ["d"])


def test_a_server_that_is_not_started_again_fails_the_job_and_pays_no_nulls(tmp_path):
    with (
        pytest.raises(InputError, match="the judge server is gone: it ended with status 3, after 0 restarts"),
        judge_access(study(tmp_path, {"requests": 5}), tmp_path / "judge.log") as access,
    ):
        ask(access, 9)
    assert not Path(access["server"]["status"]).exists()


def test_a_program_that_is_not_there_is_named_before_the_first_job(monkeypatch):
    root = ROOT
    raw = yaml.safe_load((root / "config/config.yaml").read_text())
    raw["judge"] |= {"server": {"serve": "job", "command": "no-such-server --port {port}"}}
    monkeypatch.chdir(root)
    resolved = resolve(raw, root)
    check(resolved, here=False)  # a cluster's nodes may have it
    with pytest.raises(InputError, match=r"judge.server.command: program 'no-such-server' not found"):
        check(resolved, here=True)


def test_how_the_judge_is_reached_reruns_nothing():
    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    found = []
    for server in (
        {"base_url": "http://x/v1"},
        {"serve": "job"},
        {"serve": "job", "command": "x {port}", "gpus": [], "startup_timeout_s": 9, "restarts": 0},
    ):
        raw["judge"] |= {"server": server}
        found.append(study_judge(resolve(raw, ROOT)))
    assert found[0] == found[1] == found[2]
