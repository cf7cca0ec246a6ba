"""Many jobs on one `mlflow server` over PostgreSQL; the server away, frozen and back: nothing lost, nothing twice."""

import multiprocessing
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("psycopg2", reason="psycopg2-binary is not installed: make test-all brings it")

import psycopg2
from mlflow.tracking import MlflowClient

from gavel.cli import main
from gavel.common.journal import Journal
from gavel.tracking.job_record import unsent_records
from gavel.tracking.store import experiment_id, store_lock
from gavel.tracking.study import job_run, records
from helpers import tracked
from helpers.small import Project
from helpers.tracked import RUN, STUDY
from helpers.tracking_server import Postgres, Server, Unavailable

PRELOAD = [
    "gavel.training.rl.train",
    "gavel.jobs.job",
    "gavel.judge.backends.local",
    "mlflow.store.tracking.rest_store",
]
JOBS = 20
PATIENCE_S = 240


@pytest.fixture(scope="module")
def database():
    try:
        with Postgres() as found:
            yield found
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def served(database, tmp_path_factory):
    made = Server(database.uri, tmp_path_factory.mktemp("server"))
    yield made
    made.stop()


@pytest.fixture
def server(served):
    """The server, up; whatever a test does to it."""
    if served.process is None or served.process.poll() is not None:
        served.start()
    yield served
    if served.process.poll() is None:
        served.thaw()


@pytest.fixture(scope="module")
def context():
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(PRELOAD)
    return found


@pytest.fixture
def ask(database):
    """Rows of an SQL query, asked of PostgreSQL itself."""
    with psycopg2.connect(database.uri.replace("+psycopg2", "")) as connection:
        connection.autocommit = True

        def ask(query: str, *values) -> list[tuple]:
            with connection.cursor() as cursor:
                cursor.execute(query, values)
                return cursor.fetchall()

        yield ask


def stored(ask, study: str) -> dict[str, Counter]:
    """Key of each active run of a study -> (metric, step, value) and how often it is in the table."""
    runs = ask(
        "SELECT t.value, r.run_uuid FROM runs r JOIN experiments e USING (experiment_id) JOIN tags t USING (run_uuid) "
        "WHERE e.name = %s AND t.key = 'gavel.key' AND r.lifecycle_stage = 'active'",
        study,
    )
    assert len(dict(runs)) == len(runs), f"two active runs of one job: {runs}"
    points = "SELECT key, step, value FROM metrics WHERE run_uuid = %s"
    return {key: Counter(ask(points, run)) for key, run in runs}


def counts(ask, study: str) -> dict:
    """Runs, active and deleted, with the number of their params and tags."""
    return {
        run: (stage, status, params)
        for run, stage, status, params in ask(
            "SELECT r.run_uuid, r.lifecycle_stage, r.status, (SELECT COUNT(*) FROM params WHERE run_uuid = r.run_uuid) "
            "FROM runs r JOIN experiments e USING (experiment_id) WHERE e.name = %s",
            study,
        )
    }


def told(*journals: Path) -> Counter:
    """(metric, step, value) of journals, once each."""
    return Counter(
        {
            (metric, row["step"], value): 1
            for path in journals
            for row in Journal(path).rows()
            for metric, value in row["metrics"].items()
            if value is not None
        }
    )


def lacking(results: Path) -> list[str]:
    """The ended jobs of which MLflow lacks something."""
    return [record.path.stem for record in unsent_records(records(results))]


def ended(process) -> None:
    process.join(PATIENCE_S)
    assert process.exitcode == 0


def until(condition, process=None) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline and (process is None or process.is_alive())
        time.sleep(0.02)


def steps(state: Path) -> int:
    return sum(1 for _ in Journal(state / "journal.jsonl").rows())


@pytest.mark.timeout(300)
def test_twenty_jobs_at_once_lose_and_double_nothing(server, context, ask, tmp_path):
    """They all find no experiment and no parent run when they begin."""
    together = context.Barrier(JOBS)
    jobs = [
        context.Process(target=tracked.log, args=(tmp_path, server.uri, number, together, "twenty"))
        for number in range(JOBS)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        ended(job)
    found = stored(ask, "twenty")
    assert set(found) == {"twenty", *(f"twenty/rl/grpo-lambda0.5-seed{number}" for number in range(JOBS))}
    for number in range(JOBS):
        run = f"grpo-lambda0.5-seed{number}"
        expected = told(tmp_path / "state" / run / "journal.jsonl")
        assert len(expected) == tracked.STEPS * tracked.METRICS
        assert found[f"twenty/rl/{run}"] == expected
        (text,) = server.artifacts.rglob(f"notes/{run}.txt")
        assert text.read_text() == run
    runs = counts(ask, "twenty")
    assert Counter(runs.values()) == {
        ("active", "FINISHED", len(tracked.PARAMS)): JOBS,
        ("active", "RUNNING", 0): 1,  # the study's, which its report ends
    }
    assert lacking(tmp_path) == []


@pytest.fixture(scope="module")
def undisturbed(context, tiny, rows, tmp_path_factory):
    """A small RL run without a server: its folder."""
    folder = tmp_path_factory.mktemp("undisturbed")
    job = context.Process(target=tracked.train, args=(folder, f"sqlite:///{folder}/mlflow.db", tiny, rows, 300))
    job.start()
    ended(job)
    return folder


def clean(server, study: str) -> None:
    """Give the study's runs another experiment's name, so that the next test begins with none."""
    client = MlflowClient(server.uri)
    if experiment := client.get_experiment_by_name(study):
        client.rename_experiment(experiment.experiment_id, f"{study} {experiment.experiment_id}")


@pytest.fixture
def cleaned(server):
    """The server, where a test that fails leaves the next one nothing either."""
    yield server
    if server.process.poll() is not None:
        server.start()
    clean(server, STUDY)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("back", ["in mid-run", "after the run"])
def test_a_server_stopped_in_mid_run(cleaned, context, ask, tiny, rows, undisturbed, tmp_path, back):
    """The job goes on, its result is that of one that nobody disturbed, and the store ends with all of it, once."""
    server = cleaned
    state, study = tmp_path / "state" / RUN, f"{STUDY}/rl/{RUN}"
    gate = tmp_path / "go on"
    job = context.Process(target=tracked.train, args=(tmp_path, server.uri, tiny, rows, 300, gate))
    job.start()
    until(lambda: state.exists() and sum(stored(ask, STUDY).get(study, Counter()).values()) > 100, job)
    server.stop()
    before = steps(state)
    until(lambda: steps(state) > before + 20, job)
    if back == "in mid-run":
        server.start()
        assert job.is_alive()
    gate.touch()
    ended(job)
    if back == "after the run":
        assert lacking(tmp_path) == [f"rl-{RUN}"]
        assert main.main(["sync", str(tmp_path)]) == 2, "the server is still down"
        server.start()
        assert main.main(["sync", str(tmp_path)]) == 0
    assert lacking(tmp_path) == []
    journals = [state / "journal.jsonl", state / "monitor.jsonl"]
    assert stored(ask, STUDY)[study] == told(*journals)
    assert {row[:2] for row in counts(ask, STUDY).values()} == {("active", "FINISHED"), ("active", "RUNNING")}
    for file in ("final/model.safetensors", "best/model.safetensors"):
        assert (tmp_path / "out" / file).read_bytes() == (undisturbed / "out" / file).read_bytes()


@pytest.mark.timeout(300)
def test_a_frozen_server_is_asked_seldom_and_told_everything_later(server, ask, tmp_path, monkeypatch):
    """It accepts connections and never answers: only one request waits for its time-out, however much is to be told."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    said, journal = [], Journal(tmp_path / "journal.jsonl")
    options = {"digest": "a", "params": {"lr": 1}, "log": said.append}
    begun = time.monotonic()
    with job_run(tracked.config(tmp_path, server.uri, "frozen"), "rl", "x", **options) as mirror:
        for step in range(1, 301):
            journal.append(step, {"reward": step / 7})
            if step == 3:
                mirror.mirror(journal)
                server.freeze()
                begun = time.monotonic()
            elif step > 3:
                mirror.mirror(journal, step)
    assert time.monotonic() - begun < 2 * 2 + 5, "more than one request waited"
    assert len(said) == 1 and "continuing without it" in said[0]
    assert lacking(tmp_path) == ["rl-x"]
    server.thaw()
    assert main.main(["sync", str(tmp_path)]) == 0
    assert stored(ask, "frozen")["frozen/rl/x"] == told(journal.path)
    assert len(counts(ask, "frozen")) == 2


@pytest.mark.timeout(120)
def test_a_frozen_server_does_not_make_jobs_queue_up(server, context, tmp_path, monkeypatch):
    """Each waits for its own time-out, none for the others'."""
    experiment_id(server.uri, "queue", store_lock(server.uri, tmp_path))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    together = context.Barrier(7)
    jobs = [context.Process(target=tracked.waits, args=(tmp_path, server.uri, n, together)) for n in range(6)]
    for job in jobs:
        job.start()
    server.freeze()
    together.wait()
    begun = time.monotonic()
    for job in jobs:
        ended(job)
    server.thaw()
    assert time.monotonic() - begun < 2 * 3 + 6
    assert len(lacking(tmp_path)) == 6


@pytest.mark.timeout(300)
def test_a_server_with_passwords(database, tmp_path, monkeypatch):
    """MLflow's own: name and password come from the environment; without them the job goes on and keeps its metrics."""
    pytest.importorskip("flask_wtf", reason="Flask-WTF is not installed: make test-all brings it")
    secret = "a-password-of-its-own"
    (tmp_path / "auth.ini").write_text(
        "[mlflow]\ndefault_permission = READ\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        f"database_uri = sqlite:///{tmp_path}/auth.db\nadmin_username = admin\nadmin_password = {secret}\n"
    )
    environment = {"MLFLOW_AUTH_CONFIG_PATH": str(tmp_path / "auth.ini"), "MLFLOW_FLASK_SERVER_SECRET_KEY": "key"}
    server = Server(database.uri, tmp_path, "--app-name", "basic-auth", **environment)
    server.start()
    try:
        results = tmp_path / "results"
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong")
        said = []
        settings = tracked.config(results, server.uri, "guarded")
        with job_run(settings, "rl", "x", digest="a", params={}, log=said.append) as mirror:
            mirror.mirror([{"step": 1, "metrics": {"reward": 0.5}}])
        assert len(said) == 1 and lacking(results) == ["rl-x"]
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", secret)
        assert main.main(["sync", str(results)]) == 0 and lacking(results) == []
        (run,) = MlflowClient(server.uri).search_runs(
            [MlflowClient(server.uri).get_experiment_by_name("guarded").experiment_id], "tags.rule = 'rl'"
        )
        assert run.data.metrics == {"reward": 0.5}
        written = [path for path in results.rglob("*") if path.is_file()]
        assert not [path for path in written if secret.encode() in path.read_bytes()]
    finally:
        server.stop()


class TestStudy:
    """The whole small study on the server, against the one that `finished` ran without."""

    @pytest.fixture
    def project(self, server, tmp_path):
        made = Project(tmp_path)
        made.configure(tracking={"uri": server.uri})
        return made

    def check(self, project, finished, server, ask):
        for name in ("metrics.csv", "comparisons.csv"):
            assert (project.results / name).read_bytes() == (finished.results / name).read_bytes()
        found, runs = stored(ask, "small"), counts(ask, "small")
        assert len(runs) == len(found) == 8  # the study, the judge, three trainings and three evaluations
        assert {row[:2] for row in runs.values()} == {("active", "FINISHED")}
        for run in ("sft", "grpo-lambda0.5-seed0", "ppo-lambda0.5-seed0"):
            state = project.results / "state" / run
            expected = told(state / "journal.jsonl", state / "monitor.jsonl")
            assert found[f"small/{'sft' if run == 'sft' else 'rl'}/{run}"] == expected
            assert set(found[f"small/evaluate/{run}"].values()) == {1}
        assert len(list(server.artifacts.rglob("report.html"))) == 1
        assert lacking(project.results) == []
        shutil.rmtree(server.artifacts)
        clean(server, "small")

    @pytest.mark.timeout(900)
    def test_a_server_stopped_and_started_in_mid_run(self, project, finished, server, ask):
        state = project.results / "state" / "grpo-lambda0.5-seed0"
        running = project.start()
        until(lambda: steps(state) >= 2 or running.poll() is not None)
        server.stop()
        until(lambda: list(project.results.glob("runs/*-lambda*/run.json")) or running.poll() is not None)
        server.start()
        said, _ = running.communicate(timeout=PATIENCE_S)
        assert running.returncode == 0, said[-4000:]
        assert "Nothing to be done" in "".join(project.run().stderr)
        self.check(project, finished, server, ask)

    @pytest.mark.timeout(900)
    def test_a_server_that_is_down_all_the_time(self, project, finished, server, ask, capsys):
        server.stop()
        done = project.run()
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        assert f"once it answers, run .venv/bin/gavel sync {project.results.relative_to(project.folder)}" in done.stderr
        assert len(lacking(project.results)) == 8
        assert (project.results / "report.html").exists()
        server.start()
        assert main.main(["sync", str(project.results)]) == 0
        assert "8 runs sent" in capsys.readouterr().out
        assert main.main(["sync", str(project.results)]) == 0
        assert "MLflow has everything" in capsys.readouterr().out
        self.check(project, finished, server, ask)
