"""`gavel ui`: serve MLflow's pages for a study's store on this machine."""

import argparse
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from gavel.cli.commands import Commands, add_command, add_old_name
from gavel.common.errors import InputError, first_line

HOST = "127.0.0.1"
SHUTDOWN_TIMEOUT_S = 10.0  # time for the server to shut down by itself


def add_ui(commands: Commands) -> None:
    parser = add_command(
        commands,
        "ui",
        help="serve a study's MLflow store on this machine",
        description="Prints the addresses of the study's pages: its training runs as a table, curves, and all jobs. "
        "Ctrl-C stops the server. If the study logs to a server of its own (`tracking.uri`), no other is started.",
        examples=["ui", "ui results/mine --port 5001"],
    )
    parser.add_argument(
        "results",
        metavar="RESULTS",
        nargs="?",
        default="results",
        type=Path,
        help="a study's or a sweep's results folder (%(default)s)",
    )
    add_old_name(parser, "--results", "RESULTS without --results", dest="former_results", type=Path)
    parser.add_argument("--experiment", metavar="NAME", help="MLflow experiment (default: the newest in the store)")
    parser.add_argument("--port", default=5000, type=int, metavar="PORT", help="port to listen on (%(default)s)")
    parser.set_defaults(run=ui)


def ui(options: argparse.Namespace) -> int:
    """`gavel ui`: serve the store until Ctrl-C. Returns the server's exit status, 0 after Ctrl-C."""
    # MLflow takes seconds; other commands should not wait.
    from gavel.tracking.store import store_lock
    from gavel.tracking.study import used_server

    results = getattr(options, "former_results", options.results)
    database = (results / "mlflow.db").resolve()
    if not database.is_file():
        if server := used_server(results):
            _print_pages(server.uri, options.experiment or server.experiment, server.uri)
            return 0
        raise InputError(f"{database}: no such file yet; run the study first (`make report`)")
    if not _is_free(options.port):
        raise InputError(f"port {options.port} is taken on {HOST}; choose another (`--port 5001`)")
    uri = f"sqlite:///{database}"
    with store_lock(uri, database.parent):
        _print_pages(uri, options.experiment, f"http://{HOST}:{options.port}")
    print("Ctrl-C stops the server.", flush=True)
    return _serve(database, options.port)


def _print_pages(uri: str, experiment: str | None, address: str) -> None:
    from gavel.tracking.store import mlflow_errors
    from gavel.tracking.views import find_experiment, study_pages

    try:
        found, others = find_experiment(uri, experiment)
        pages = study_pages(uri, found.experiment_id, address)
    except mlflow_errors() as error:
        raise InputError(f"MLflow at {uri} cannot be read ({first_line(error)})") from None
    for title, url in pages:
        print(f"{title}: {url}")
    if others:
        print(f"These are of the study {found.name}. Others here (--experiment NAME): {', '.join(others)}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server does, so that a port in TIME_WAIT after the last `make ui` counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _serve(database: Path, port: int) -> int:
    """Run the server until it ends or Ctrl-C, then stop its process group, since it starts its own workers."""
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{database}", "--host", HOST]
    command += [
        "--default-artifact-root",
        database.with_name("mlartifacts").as_uri(),
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    server = subprocess.Popen(command, env={**os.environ, **quiet}, start_new_session=True)
    for number in (signal.SIGINT, signal.SIGTERM):  # shells start background jobs with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    try:
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(SHUTDOWN_TIMEOUT_S)
            except subprocess.TimeoutExpired:  # a busy machine, or an open browser connection
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()
