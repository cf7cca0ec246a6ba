"""A Slurm cluster of one node on this machine: munge, MariaDB, slurmdbd, slurmctld and slurmd, on loopback.

    python tests/helpers/cluster.py      # starts it, prints the line that lets a shell use it, Ctrl-C stops it

Accounting is on and a job over its memory is killed. Configuration, state, logs and database are in one temporary
folder, ports are free ones, nothing is started by systemd, and what was started is stopped again; a Slurm or MariaDB of
this machine is left alone. Needs root and, unless the programs are installed already, Debian's packages.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PACKAGES = ("slurm-wlm", "slurmdbd", "munge", "mariadb-server")
PROGRAMS = ("munged", "mariadbd", "mariadb-install-db", "mariadb", "slurmdbd", "slurmctld", "slurmd", "sbatch", "sacct")
CGROUPS = Path("/sys/fs/cgroup")
POLICY = Path("/usr/sbin/policy-rc.d")
PATIENCE_S = 60


class Unavailable(Exception):
    """There can be no cluster here; says why."""


def ensure_installed() -> None:
    """Install what is missing, without starting any service of the machine's."""
    os.environ["PATH"] += os.pathsep + "/usr/sbin"
    if not missing():
        return
    if not shutil.which("apt-get"):
        raise Unavailable(f"{', '.join(missing())} not installed, and there is no apt-get")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with no_services():
        for command in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
            done = subprocess.run(["apt-get", "-qq", *command], capture_output=True, text=True, env=environment)
    if missing():
        raise Unavailable(f"{', '.join(missing())} not installed: {last_lines(done.stdout + done.stderr)}")


def missing() -> list[str]:
    return [name for name in PROGRAMS if not shutil.which(name)]


@contextlib.contextmanager
def no_services() -> Iterator[None]:
    """Debian's packages start their services when installed, unless this file forbids it."""
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink()


def cgroup_lines() -> list[str]:
    """cgroup.conf for what this machine mounts; memory must be limited, or no job would ever be over it."""
    if (CGROUPS / "memory/memory.limit_in_bytes").exists():
        lines = ["CgroupPlugin=cgroup/v1"]
        swap = CGROUPS / "memory/memory.memsw.limit_in_bytes"
    elif "memory" in read(CGROUPS / "cgroup.controllers").split():
        lines = ["CgroupPlugin=cgroup/v2", "IgnoreSystemd=yes"]
        swap = Path("/proc/swaps")
    else:
        raise Unavailable(f"no memory controller below {CGROUPS}: a job's memory could not be limited")
    # Else a job over its memory would swap instead of being killed.
    limits = ["ConstrainRAMSpace=yes", *(["ConstrainSwapSpace=yes", "AllowedSwapSpace=0"] if swap.exists() else [])]
    return [*lines, *limits]


def read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def last_lines(text: str, count: int = 8) -> str:
    return " | ".join(text.strip().splitlines()[-count:])


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class Cluster:
    """`with Cluster() as cluster:` runs it; `cluster.environment` is what a process needs to use it."""

    def __init__(self):
        self.node = socket.gethostname().split(".")[0]
        self.daemons: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> "Cluster":
        if os.geteuid() != 0:
            raise Unavailable("a Slurm cluster of its own needs root")
        if any(read(path).strip() == "slurmd" for path in Path("/proc").glob("[0-9]*/comm")):
            raise Unavailable("a slurmd runs on this machine already, and two would share its control groups")
        ensure_installed()
        # Not below a folder that only its owner may enter: munge refuses that.
        self.folder = Path(tempfile.mkdtemp(prefix="gavel-slurm-"))
        self.folder.chmod(0o755)
        programs = self.folder / "bin"
        self.environment = {
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        }
        try:
            self.configure()
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exception) -> None:
        self.stop()

    def configure(self) -> None:
        folder, password = self.folder, secrets.token_hex(16)
        for name in ("bin", "run", "log", "slurmctld", "slurmd"):
            (folder / name).mkdir(mode=0o755)
        # Within a job, Snakemake's plugin calls srun without SLURM_CONF.
        srun = folder / "bin/srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)
        (folder / "munge.key").write_bytes(secrets.token_bytes(128))
        (folder / "munge.key").chmod(0o400)
        self.sql, dbd, slurmctld, slurmd = free_ports(4)
        (folder / "database.sql").write_text(
            "CREATE DATABASE slurm;\n"
            f"CREATE USER slurm@127.0.0.1 IDENTIFIED BY '{password}';\n"
            "GRANT ALL ON slurm.* TO slurm@127.0.0.1;\n"
        )
        (folder / "database.sql").chmod(0o600)
        authentication = ["AuthType=auth/munge", f"AuthInfo=socket={folder}/run/munge,cred_expire=10"]
        hardware = dict(word.split("=", 1) for word in self.ask("slurmd", "-C").splitlines()[0].split())
        self.write(
            "slurmdbd.conf",
            *authentication,
            "DbdHost=localhost",
            "DbdAddr=127.0.0.1",
            f"DbdPort={dbd}",
            "SlurmUser=root",
            f"LogFile={folder}/log/slurmdbd",
            f"PidFile={folder}/run/slurmdbd.pid",
            "StorageType=accounting_storage/mysql",
            "StorageHost=127.0.0.1",
            f"StoragePort={self.sql}",
            "StorageLoc=slurm",
            "StorageUser=slurm",
            f"StoragePass={password}",
        )
        self.write("cgroup.conf", *cgroup_lines())
        self.write(
            "slurm.conf",
            *authentication,
            "ClusterName=gavel",
            f"SlurmctldHost={self.node}(127.0.0.1)",
            f"SlurmctldPort={slurmctld}",
            f"SlurmdPort={slurmd}",
            "SlurmUser=root",
            "SlurmdUser=root",
            f"StateSaveLocation={folder}/slurmctld",
            f"SlurmdSpoolDir={folder}/slurmd",
            f"SlurmctldLogFile={folder}/log/slurmctld",
            f"SlurmdLogFile={folder}/log/slurmd",
            f"SlurmctldPidFile={folder}/run/slurmctld.pid",
            f"SlurmdPidFile={folder}/run/slurmd.pid",
            "ReturnToService=2",
            "MinJobAge=300",
            "KillWait=5",
            "MpiDefault=none",
            "ProctrackType=proctrack/cgroup",
            "TaskPlugin=task/cgroup",
            "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_Core_Memory",
            "JobAcctGatherType=jobacct_gather/linux",
            "JobAcctGatherFrequency=task=2",
            "AccountingStorageType=accounting_storage/slurmdbd",
            "AccountingStorageHost=127.0.0.1",
            f"AccountingStoragePort={dbd}",
            f"AccountingStoragePass={folder}/run/munge",
            "AccountingStoreFlags=job_comment",
            f"NodeName={self.node} NodeAddr=127.0.0.1 CPUs={hardware['CPUs']} RealMemory={hardware['RealMemory']}",
            f"PartitionName=cpu Nodes={self.node} Default=YES MaxTime=INFINITE State=UP",
        )

    def write(self, name: str, *lines: str) -> None:
        path = self.folder / name
        path.write_text("".join(f"{line}\n" for line in lines))
        path.chmod(0o600 if name == "slurmdbd.conf" else 0o644)  # slurmdbd insists: it holds a password

    def start(self) -> None:
        folder, data = self.folder, self.folder / "mariadb"
        self.daemon(
            *("munged", "--foreground", f"--key-file={folder}/munge.key", f"--socket={folder}/run/munge"),
            *(f"--pid-file={folder}/run/munged.pid", f"--seed-file={folder}/munge.seed"),
            f"--log-file={folder}/log/munged",
        )
        self.wait("munged", lambda: (folder / "run/munge").exists())
        self.ask("mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db")
        door = f"--socket={folder}/run/mariadb"
        self.daemon(
            *("mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", door, "--bind-address=127.0.0.1"),
            *(f"--port={self.sql}", f"--pid-file={folder}/run/mariadb.pid"),
            *("--innodb-buffer-pool-size=64M", f"--init-file={folder}/database.sql"),
        )
        self.wait("mariadbd", lambda: self.works("mariadb", "--no-defaults", door, "-e", "USE slurm"))
        self.daemon("slurmdbd", "-D")
        self.wait("slurmdbd", lambda: self.works("sacctmgr", "-i", "add", "cluster", "gavel"))
        self.start_controller()
        self.daemon("slurmd", "-D")
        self.wait("slurmd", lambda: self.ask("sinfo", "-h", "-o", "%T").strip() == "idle")

    def start_controller(self) -> None:
        self.daemon("slurmctld", "-D")
        self.wait("slurmctld", lambda: self.works("scontrol", "ping") and self.works("sinfo"))

    def daemon(self, name: str, *arguments: str) -> None:
        """Start a daemon that ends with this process, should this one be killed."""
        with open(self.folder / "log" / f"{name}.out", "ab") as out:
            command = ["setpriv", "--pdeathsig", "TERM", shutil.which(name), *arguments]
            self.daemons[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.variables(), start_new_session=True
            )

    def wait(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not ready():
            ended = self.daemons[name].poll()
            if ended is not None or time.monotonic() > deadline:
                logs = read(self.folder / "log" / name) + read(self.folder / "log" / f"{name}.out")
                how = f"does not answer after {PATIENCE_S} s" if ended is None else f"ended with status {ended}"
                raise Unavailable(f"{name} {how}: {last_lines(logs) or 'its logs are empty'}")
            time.sleep(0.2)

    def variables(self) -> dict[str, str]:
        return os.environ | self.environment

    def works(self, *command: str) -> bool:
        done = subprocess.run(command, capture_output=True, env=self.variables(), timeout=PATIENCE_S)
        return done.returncode == 0

    def ask(self, *command: str) -> str:
        """What one of Slurm's commands prints."""
        done = subprocess.run(command, capture_output=True, text=True, env=self.variables(), timeout=PATIENCE_S)
        if done.returncode != 0:
            raise Unavailable(f"{command[0]} failed: {last_lines(done.stdout + done.stderr)}")
        return done.stdout

    def end(self, name: str) -> None:
        """Stop one of the daemons that this object started."""
        daemon = self.daemons.pop(name)
        daemon.terminate()
        try:
            daemon.wait(timeout=20)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def stop(self) -> None:
        if "slurmd" in self.daemons and "slurmctld" in self.daemons:
            with contextlib.suppress(Unavailable, subprocess.TimeoutExpired):
                self.ask("scancel", "--user=root")
                deadline = time.monotonic() + 20
                while self.ask("squeue", "-h") and time.monotonic() < deadline:
                    time.sleep(0.2)
        for name in reversed(list(self.daemons)):
            self.end(name)
        for left in CGROUPS.glob(f"*/slurm_{self.node}"):
            with contextlib.suppress(OSError):
                left.rmdir()
        shutil.rmtree(self.folder, ignore_errors=True)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        with Cluster() as cluster:
            for name, value in cluster.environment.items():
                print(f"export {name}={value}", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    except Unavailable as reason:
        sys.exit(str(reason))


if __name__ == "__main__":
    main()
