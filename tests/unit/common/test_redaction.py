"""Passwords and keys: refused in a config, and hidden in everything that is printed or written."""

import json
import time

import openai
import pytest
import yaml

from gavel.cli import main
from gavel.common.errors import InputError, first_line
from gavel.common.redaction import HIDDEN, UNSET, expand_variables, redact, redact_config, redact_url
from gavel.judge.backends.server import ServerBackend
from gavel.report.page import render
from gavel.study.schema import study as config
from gavel.tracking import study as study_tracking
from gavel.tracking.job_record import JobRecord
from gavel.tracking.tracker import Tracker
from helpers.configs import default
from helpers.planted import SECRET, contents


@pytest.mark.parametrize(
    "text",
    [
        f"http://me:{SECRET}@host:8000/v1",
        f"http://{SECRET}@host/v1",
        f"postgresql+psycopg2://me:p@{SECRET}/x@host/db",
        f"https://host/v1?api_key={SECRET}&x=1",
        f"https://host/v1?key={SECRET}",
        f"https://host/v1?access_token={SECRET}",
        f"vllm serve m --api-key {SECRET} --port 80",
        f"vllm serve m --api-key={SECRET}",
        f"['vllm', '--api-key', '{SECRET}']",
        f"server --key {SECRET}",
        f"HF_TOKEN={SECRET} server",
        f"PGPASSWORD={SECRET} psql",
        f"Authorization: Bearer {SECRET}",
        f"-H 'X-Api-Key: {SECRET}'",
        f"Namespace(model='m', api_key=['{SECRET}'])",
        '{"apiKey": "' + SECRET + '"}',
        f"error: token: {SECRET}",
        f"error: password={SECRET}",
        f"found me:{SECRET}@host:5000",
        f"x._api_key={SECRET}",
        f"a.b-c?key={SECRET}",
        f"--key={SECRET}",
        f"found 'u:{SECRET}@h/v1'",
        f"found '//u:{SECRET}@h/v1'",
        f"//u:{SECRET}@[::1]/v1",
        f"me:{SECRET}@host",
        f"--pw {SECRET}",
        f"PW={SECRET} serve",
        f"--passcode={SECRET}",
        f"-H 'Cookie: {SECRET}'",
        f"curl -u user:{SECRET} http://h",
        f"curl --user user:{SECRET} http://h",
        f"curl --user=user:{SECRET}",
        f"curl -U user:{SECRET}",
        f"['curl', '-u', 'user:{SECRET}']",
        f"srv --api-key '{SECRET} --port 80",
        f'srv --api-key "a {SECRET} --port 80',
        f"http://h/v1;token={SECRET}",
        f"http://h/api_key={SECRET}/v1",
    ],
)
def test_what_looks_like_a_secret_is_hidden(text):
    assert SECRET not in redact(text)
    assert HIDDEN in redact(text)


@pytest.mark.parametrize(
    "key", ["sk-abcdEFGH1234", "hf_abcdEFGH1234", "ghp_abcdEFGH1234abcd", "eyJhbGciOiJI.eyJzdWIiOiIx.abc"]
)
def test_keys_of_known_forms_are_hidden_anywhere(key):
    assert redact(f"Incorrect API key provided: {key}.").startswith(f"Incorrect API key provided: {HIDDEN}")


@pytest.mark.parametrize(
    "text",
    [
        "pad_token: '<pad>' eos_token='</s>' max_tokens=5 batch_tokens: 16384, judge_tokens 12",
        "student.pad_token: '<nothing>' is not in the vocabulary",
        "data/labeled.jsonl:3: no 'answer' (looked from /home/me)",
        "sqlite:////home/me@work/mlflow.db",
        "tracking.uri: expected http://host:port of a server",
        "vllm serve {model} --host {host} --port {port} --api-key ${JUDGE_KEY}",
        "https://${USER}:${PASS}@host/v1",
        "a task-specific key, the author: me",
        "docker run --user 1000:1000 -u vllm:vllm image:tag",
        "python -u http://host/x",
        "at 10:30 @home, a.py:12: @decorated",
    ],
)
def test_other_text_is_left_as_it_is(text):
    assert redact(text) == text


@pytest.mark.parametrize("run", ["a", "a.", "a-", "a=", "a:", "a_", "/", "@", "sk-", "-", "=", '"'])
def test_a_long_line_without_blanks_takes_no_time_to_speak_of(run):
    """A quadratic pattern would take hours."""
    begun = time.monotonic()
    redact(run * (300_000 // len(run)))
    assert time.monotonic() - begun < 60


def test_the_environments_secrets_are_hidden_anywhere(monkeypatch):
    monkeypatch.setenv("MY_JUDGE_KEY", SECRET)
    monkeypatch.setenv("OTHER_TOKEN", "EMPTY")
    assert redact(f"it said {SECRET}, EMPTY") == f"it said {HIDDEN}, EMPTY"


def test_a_reference_is_filled_in_and_hidden_from_then_on(monkeypatch):
    monkeypatch.setenv("PLACE", "s3cr3t-place")
    assert expand_variables("http://${PLACE}:x@host", "k") == "http://s3cr3t-place:x@host"
    assert redact("found s3cr3t-place") == f"found {HIDDEN}"
    with pytest.raises(ValueError, match="k: needs the environment variable NOT_THERE, which is not set"):
        expand_variables("${NOT_THERE}", "k")


SERVED = {"serve": "job", "gpus": []}
REFUSED = [
    ("judge", {"server": {"base_url": f"http://me:{SECRET}@host/v1"}}),
    ("judge", {"server": {"base_url": f"http://{SECRET}@host/v1"}}),
    ("judge", {"server": {"base_url": f"ftp://me:{SECRET}@host/v1"}}),
    ("judge", {"server": {"base_url": f"https://host/v1?key={SECRET}"}}),
    ("judge", {"server": {"base_url": f"https://host/v1?x={SECRET}"}}),
    ("judge", {"server": {"base_url": f"https://host/v1#{SECRET}"}}),
    ("judge", {"server": {"base_url": f"https://host/sk-{SECRET}/v1"}}),
    ("judge", {"server": {"base_url": [f"http://me:{SECRET}@host/v1"]}}),
    ("judge", {"server": f"http://me:{SECRET}@host/v1"}),
    ("judge", {"server": {"base_url": "http://host/v1", "api_key_env": f"sk-{SECRET}"}}),
    ("judge", {"server": {"base_url": "http://host/v1", "api_key_env": SECRET}}),
    ("judge", {"server": {"base_url": "http://host/v1", "api_key_env": [SECRET]}}),
    ("judge", {"server": {"base_url": "http://host/v1", "api_key": SECRET}}),
    ("judge", {"server": SERVED | {"command": f"vllm serve --port {{port}} --api-key {SECRET}"}}),
    ("judge", {"server": SERVED | {"command": f"vllm serve --port {{port}} --api-key={SECRET}"}}),
    ("judge", {"server": SERVED | {"command": ["vllm", "--port", "{port}", "--api-key", SECRET]}}),
    ("judge", {"server": SERVED | {"command": ["env", f"HF_TOKEN={SECRET}", "vllm", "{port}"]}}),
    ("judge", {"server": SERVED | {"command": [f"--token={SECRET}", 7]}}),
    ("judge", {"server": SERVED | {"command": f"bash -c 'TOKEN={SECRET} serve {{port}}'"}}),
    ("judge", {"server": SERVED | {"command": f"serve {{port}} --header 'Authorization: Bearer {SECRET}'"}}),
    ("rl", {"vllm": {"mode": "server", "base_url": f"http://me:{SECRET}@host"}}),
    ("rl", {"vllm": {"mode": "server", "serve": "job", "gpus": [1], "command": f"x {{port}} --api-key {SECRET}"}}),
    ("tracking", {"uri": f"http://me:{SECRET}@host:5000"}),
    ("tracking", {"uri": f"http://host:5000/?token={SECRET}"}),
    ("tracking", {"uri": f"http://host:5000?{SECRET}"}),
    ("tracking", {"uri": f"http://host:5000/#{SECRET}"}),
    ("tracking", {"uri": f"postgresql://host/db?user=me&password={SECRET}"}),
    ("tracking", {"uri": f"postgresql://host/db?sslpassword={SECRET}"}),
    ("tracking", {"uri": f"mysql://host/db?passwd={SECRET}"}),
    ("tracking", {"uri": f"mssql+pyodbc:///?odbc_connect=Driver%3DX%3BPWD%3D{SECRET}"}),
    ("tracking", {"uri": f"sqlite:////x.db?key={SECRET}"}),
    ("tracking", {"uri": f"me:{SECRET}@host:5000"}),
    ("tracking", {"uri": f"host:5000?token={SECRET}"}),
    ("tracking", {"uri": [f"http://me:{SECRET}@host:5000"]}),
    *(
        (section, values)
        for address in (
            f"u:{SECRET}@h/v1",
            f"//u:{SECRET}@h/v1",
            SECRET,
            f"/{SECRET}",
            f"http:/u:{SECRET}@h",
            f"http:\\\\u:{SECRET}@h",
            f" http://u:{SECRET}@h/v1",
            f"http://u%3A{SECRET}%40h/v1",
            f"http://h:{SECRET}/v1",
            f"http://h:80:{SECRET}/v1",
            f"http://h/v1;token={SECRET}",
            f"http://h/v1;{SECRET}",
            f"http://h/v1%3Btoken%3D{SECRET}",
            f"http://h/api_key={SECRET}/v1",
            f"http://h/x={SECRET}/v1",
            f"http://h/;token={SECRET}",
            f"http://[{SECRET}",
            {"a": SECRET},
        )
        for section, values in (
            ("judge", {"server": {"base_url": address}}),
            ("rl", {"algorithms": ["grpo"], "vllm": {"mode": "server", "base_url": address}}),
            ("tracking", {"uri": address}),
        )
    ),
    ("tracking", {"uri": f"postgresql://host/db;password={SECRET}"}),
    ("tracking", {"uri": f"postgresql://host:{SECRET}/db"}),
    ("tracking", {"uri": f"sqlite:////x/token={SECRET}/mlflow.db"}),
    ("judge", {"server": {"base_url": "http://h/v1", f"api_key {SECRET}": None}}),
    ("judge", {"server": {"base_url": "http://h/v1", SECRET: None}}),
    ("judge", {"server": {"base_url": "http://h/v1", "timeout_s": SECRET}}),
    ("judge", {"server": {"base_url": f"http://h/v1;token=${{A}}{SECRET}"}}),
    ("rl", {"vllm": SECRET}),
    ("rl", {"vllm": {"mode": SECRET}}),
    *(
        ("judge", {"server": SERVED | {"command": command}})
        for command in (
            f"srv --api-key '{SECRET} --port {{port}}",
            f'srv --api-key "{SECRET} --port {{port}}',
            f"srv '{SECRET} --port {{port}}",
            f"srv {SECRET} --port {{port}} \\",
            f"srv --pw {SECRET} --port {{port}}",
            f"bash -c 'curl -u user:{SECRET} http://h; srv {{port}}'",
            ["curl", "-u", f"user:{SECRET}", "{port}"],
            ["curl", f"--user=user:{SECRET}", "{port}"],
            [SECRET],
        )
    ),
    ("judge", {"prompting": {"chat": True, "chat_template_kwargs": {"token": SECRET}}}),
    ("judge", {"prompting": {"chat": True, "chat_template_kwargs": {"api_key": SECRET}}}),
    ("judge", {"prompting": {"chat": True, "chat_template_kwargs": {"x": f"sk-{SECRET}"}}}),
    ("judge", {"prompting": {"chat": True, "chat_template_kwargs": {"token": [SECRET]}}}),
    ("judge", {"prompting": {"chat": True, "chat_template_kwargs": [SECRET]}}),
    ("tracking", f"http://me:{SECRET}@host:5000"),
]


@pytest.mark.parametrize(("section", "values"), REFUSED)
def test_a_config_that_holds_a_secret_is_refused_and_the_secret_not_repeated(section, values):
    raw = default()
    raw[section] = (raw.get(section) or {}) | values if isinstance(values, dict) else values
    raw["compute"] = {"gpus": 2}
    with pytest.raises(InputError) as caught:
        config.load(raw)
    assert section in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("judge", {"model": "m", "server": {"base_url": "http://host:8000/v1"}}),
        ("judge", {"model": "m", "server": {"base_url": "https://${ME}:${PASSWORD}@host/v1", "api_key_env": "MY_KEY"}}),
        ("judge", {"model": "m", "server": {"base_url": "http://host/v1", "api_key_env": "NONE"}}),
        ("judge", {"model": "m", "server": SERVED | {"command": "vllm serve {model} --port {port} --api-key ${K}"}}),
        (
            "judge",
            {"model": "m", "server": SERVED | {"command": ["v", "{port}", "--api-key", "${K}", "--api-key", "EMPTY"]}},
        ),
        ("tracking", {"uri": "postgresql://host/db?sslmode=require&connect_timeout=5"}),
        ("tracking", {"uri": "sqlite:////home/me@work/#1/mlflow.db"}),
        ("tracking", {"uri": "sqlite:////home/a;b=c/mlflow.db"}),
        ("tracking", {"uri": "http://[::1]:5000/a/b"}),
        ("judge", {"model": "m", "server": {"base_url": "http://${H}:${P}/v1;token=${T}/x"}}),
        ("judge", {"model": "m", "server": SERVED | {"command": "docker run -u 1000:1000 -p {port}:80 a:b"}}),
        (
            "judge",
            {
                "prompting": {
                    "chat": True,
                    "chat_template_kwargs": {"enable_thinking": False, "add_bos_token": True, "bos_token": "<s>"},
                },
            },
        ),
    ],
)
def test_a_config_without_secrets_or_with_references_is_taken(section, values):
    raw = default()
    raw[section] = (raw.get(section) or {}) | values
    config.load(raw)


def planted() -> dict:
    """Parts of a config with a secret in every place, as if it had come past the checks."""
    return {
        "judge": {
            "model": "m",
            "server": {
                "base_url": f"http://me:{SECRET}@host/v1?key={SECRET}",
                "command": ["serve", "--api-key", SECRET, f"--token={SECRET}"],
                "api_key_env": SECRET,
            },
        },
        "rl": {
            "vllm": {
                "warn_logp_difference": 0.05,
                "base_url": f"http://{SECRET}@host",
                "command": f"trl --api-key {SECRET}",
            }
        },
        "tracking": {"uri": f"postgresql://me:{SECRET}@host/db?password={SECRET}&sslmode=require"},
    }


def test_what_is_left_of_a_config_is_of_use():
    found = redact_config(planted() | {"student": {"pad_token": "<pad>", "model": "a/b"}})
    assert SECRET not in str(found)
    assert found["tracking"]["uri"] == f"postgresql://{HIDDEN}@host/db?sslmode=require&{HIDDEN}"
    assert found["judge"]["server"]["command"] == ["serve", "--api-key", HIDDEN, f"--token={HIDDEN}"]
    assert found["judge"]["server"]["api_key_env"] == UNSET
    assert found["student"] == {"pad_token": "<pad>", "model": "a/b"}
    assert redact_url("http://host:5000/mlflow") == "http://host:5000/mlflow"


def test_no_file_of_a_report_shows_a_secret(study):
    root, settings = study
    whole = settings | planted() | {key: settings[key] | planted()[key] for key in ("judge", "rl")}
    (root / "logs" / "rl").mkdir(parents=True, exist_ok=True)
    (root / "logs" / "sft.log").write_text(f"failed: http://me:{SECRET}@host\n")
    (root / "runs" / "sft" / "run.json").unlink()
    (root / "logs" / "sft.log").write_text(f"failed: http://me:{SECRET}@host\n")
    render(root, whole, root / "report.html", root / "figures")
    (root / "logs" / "sft.log").unlink()
    text = contents(root)
    assert SECRET not in text
    assert HIDDEN.replace("<", "&lt;").replace(">", "&gt;") in text


def test_no_error_message_shows_a_secret():
    assert SECRET not in str(InputError(f"http://me:{SECRET}@host"))
    assert SECRET not in first_line(OSError(f"http://me:{SECRET}@host refused"))


def test_no_run_in_mlflow_and_no_record_of_one_shows_a_secret(tmp_path):
    said = []
    uri = f"http://me:{SECRET}@127.0.0.1:9/?token={SECRET}"
    params = {"judge.server.base_url": f"http://me:{SECRET}@host", "vllm.command": ["x", "--api-key", SECRET]}
    record = JobRecord.create(tmp_path / "u.json", uri, "e", "key", "name", {"t": f"token={SECRET}"}, params)
    assert SECRET not in str(record)
    Tracker(record, uri, log=said.append).finish()
    assert json.loads((tmp_path / "u.json").read_text())["uri"].startswith(f"http://{HIDDEN}@127.0.0.1:9/")
    assert SECRET not in contents(tmp_path) + " ".join(said)
    assert "cannot be used" in said[0]


def test_links_to_runs_show_no_secret(monkeypatch):
    monkeypatch.setattr(study_tracking, "find_runs", lambda uri, name: {"s/rl/a": ("1", "2")})
    found = study_tracking.run_links({"tracking": {"uri": f"http://me:{SECRET}@host:5000"}, "study": "s"})
    assert found["a"]["url"] == f"http://{HIDDEN}@host:5000/#/experiments/1/runs/2"


def test_a_server_that_repeats_the_key_shows_it_nowhere(monkeypatch, capsys):
    """As OpenAI's does: 'Incorrect API key provided: ...'."""
    monkeypatch.setenv("JUDGE_CREDENTIAL_X", SECRET)
    backend = ServerBackend(
        "m",
        [" Yes", " No"],
        example="q",
        base_url="http://${JUDGE_CREDENTIAL_X}:x@127.0.0.1:9/v1",
        api_key_env="JUDGE_CREDENTIAL_X",
        retries=0,
    )
    assert SECRET in str(backend.client.base_url)
    assert SECRET not in backend.identity

    def refuse(*arguments, **settings):
        import httpx2 as httpx

        request = httpx.Request("POST", f"http://x:{SECRET}@host")
        raise openai.AuthenticationError(
            f"Incorrect API key provided: {SECRET}", response=httpx.Response(401, request=request), body=None
        )

    assert backend.answers(["p"], ["q"]) == [None]
    monkeypatch.setattr(backend, "_request", refuse)
    backend.checked = True
    with pytest.raises(InputError, match="rejects key or model") as caught:
        backend.answers(["p"], ["q"])
    assert SECRET not in str(caught.value) + capsys.readouterr().err


def test_the_command_line_shows_no_secret(tmp_path, capsys):
    raw = default()
    raw["judge"] = raw["judge"] | {"model": "m", "server": {"base_url": "http://h/v1", "api_key_env": SECRET}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(raw))
    (tmp_path / "rows.jsonl").write_text('{"question": "q", "response": "r", "correct": true}\n')
    for arguments in (
        ["judge", str(tmp_path / "rows.jsonl"), "--judge", str(tmp_path / "study.yaml")],
        ["cost", str(tmp_path / "study.yaml")],
    ):
        assert main.main(arguments) == 2
    shown = capsys.readouterr()
    assert SECRET not in shown.out + shown.err
