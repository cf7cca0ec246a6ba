"""A PostgreSQL and `mlflow server` over it with an artifact folder, on loopback.

    python tests/helpers/tracking_server.py      # starts both, prints the address, Ctrl-C stops them

Data, artifacts and logs are in one temporary folder, ports are free, and a PostgreSQL of this machine is left alone.
Needs Debian's package `postgresql` or its programs on PATH; as root it is installed where it is missing.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

PACKAGES = ("postgresql", "postgresql-client")
PROGRAMS = ("initdb", "postgres", "createdb")
USER = "postgres"  # neither initdb nor postgres runs as root
PATIENCE_S = 120
HOST = "127.0.0.1"


class Unavailable(Exception):
    """There can be no such server here; says why."""


def programs() -> dict[str, str]:
    """Where PostgreSQL's programs are, the newest version's; installed as root if need be."""
    if found := installed():
        return found
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Unavailable(f"{', '.join(PROGRAMS)} not installed; on Debian: apt-get install {PACKAGES[0]}")
    # Else the package would make a cluster of its own and start it.
    settings = Path("/etc/postgresql-common/createcluster.conf")
    if not settings.exists():
        settings.parent.mkdir(exist_ok=True)
        settings.write_text("create_main_cluster = false\n")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(["apt-get", "-qq", *command], capture_output=True, text=True, env=environment)
    if found := installed():
        return found
    raise Unavailable(f"PostgreSQL could not be installed: {last_lines(done.stdout + done.stderr)}")


def installed() -> dict[str, str] | None:
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    search = os.pathsep.join([*map(str, reversed(versions)), os.environ.get("PATH", "")])
    found = {name: shutil.which(name, path=search) for name in PROGRAMS}
    return found if all(found.values()) else None


def last_lines(text: str, count: int = 8) -> str:
    return " | ".join(text.strip().splitlines()[-count:])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


class Postgres:
    """`with Postgres() as database:` runs it; `database.uri` is a database `mlflow` for MLflow's server."""

    def __enter__(self) -> "Postgres":
        self.programs, self.port, self.process = programs(), free_port(), None
        self.uri = f"postgresql+psycopg2://{USER}@{HOST}:{self.port}/mlflow"
        self.folder = Path(tempfile.mkdtemp(prefix="gavel-postgres-"))
        self.owner = {"user": USER} if os.geteuid() == 0 else {}
        try:
            if self.owner:
                try:
                    account = pwd.getpwnam(USER)
                except KeyError:
                    raise Unavailable(f"PostgreSQL does not run as root, and there is no user {USER!r}") from None
                os.chown(self.folder, account.pw_uid, account.pw_gid)
            self.call("initdb", "-D", self.data, "-U", USER, "-A", "trust", "--no-sync")
            options = {"listen_addresses": HOST, "unix_socket_directories": self.folder}
            command = [self.programs["postgres"], "-D", self.data, "-p", str(self.port)]
            command += [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
            self.process = start(command, self.folder / "log", "INT", **self.owner)  # at TERM it waits for clients
            place = ("-h", HOST, "-p", str(self.port), "-U", USER)
            wait("PostgreSQL", self.process, self.folder / "log", lambda: self.call("createdb", *place, "mlflow"))
        except BaseException:
            self.__exit__()
            raise
        return self

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    def call(self, name: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs; RuntimeError with its last lines if it fails."""
        done = subprocess.run(
            [self.programs[name], *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            **self.owner,
        )
        if done.returncode:
            raise RuntimeError(f"{name}: {last_lines(done.stdout + done.stderr)}")

    def __exit__(self, *exception) -> None:
        if self.process is not None:
            end(self.process, signal.SIGINT)  # fast shutdown: does not wait for clients to leave
        shutil.rmtree(self.folder, ignore_errors=True)


class Server:
    """`mlflow server` over a database, which can be stopped, frozen and started again on its port."""

    def __init__(self, database: str, folder: Path, *options: str, **environment: str):
        self.port, self.log, self.options = free_port(), folder / "mlflow.log", options
        self.artifacts = folder / "artifacts"
        self.uri, self.database, self.process = f"http://{HOST}:{self.port}", database, None
        self.environment = environment | {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", self.database]
        command += ["--artifacts-destination", str(self.artifacts), "--host", HOST, "--port", str(self.port)]
        command += ["--workers", "2", *self.options]
        self.process = start(command, self.log, env=os.environ | self.environment)
        wait("mlflow server", self.process, self.log, self.healthy)

    def healthy(self) -> None:
        with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
            answer.read()

    def freeze(self) -> None:
        """From now on connections are accepted, by the kernel, and nothing is answered."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.killpg(self.process.pid, signal.SIGCONT)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.thaw()
            end(self.process, signal.SIGTERM)


def start(command: list[str], log: Path, last: str = "TERM", **options) -> subprocess.Popen:
    """Start a process group that writes to a log, and gets the signal `last` should this process be killed."""
    with log.open("ab") as handle:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", last, *command],
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=handle,
            start_new_session=True,
            **options,
        )


def wait(name: str, process: subprocess.Popen, log: Path, ready: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            ready()
            return
        except (OSError, RuntimeError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise Unavailable(f"{name} did not start: {error}; {last_lines(log.read_text())}") from None
            time.sleep(0.2)


def end(process: subprocess.Popen, number: int) -> None:
    """End a process and, should it leave some, the others of its group."""
    process.send_signal(number)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        with Postgres() as database:
            server = Server(database.uri, database.folder)
            try:
                server.start()
                print(server.uri, flush=True)
                with contextlib.suppress(KeyboardInterrupt):
                    signal.pause()
            finally:
                server.stop()
    except Unavailable as reason:
        sys.exit(str(reason))


if __name__ == "__main__":
    main()
