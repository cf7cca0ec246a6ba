"""Config files that say something else than they seem to: refused with the file, the line and the key."""

import json

import pytest
import yaml

from gavel.common.errors import InputError
from gavel.common.paths import ROOT
from gavel.jobs import serving
from gavel.study import config_files, resolve, sweep
from helpers.planted import SECRET

DEFAULT = (ROOT / "config" / "config.yaml").read_text()
SHIPPED = sorted((ROOT / "config").glob("*.yaml"))
TOO_LONG = "9" * 5000


def changed(old: str, new: str) -> str:
    assert old in DEFAULT
    return DEFAULT.replace(old, new, 1)


@pytest.fixture
def refused(tmp_path):
    """What is said of a file with this text, without the file's name."""

    def read(text: str | bytes, name: str = "mine.yaml") -> str:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(InputError) as error:
            config_files.read(path)
        message = str(error.value)
        assert message.startswith(str(path)) and "\n" not in message and len(message) < 400
        return message.removeprefix(str(path))

    return read


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_studies_say_what_they_seem_to(path):
    assert config_files.read(path) == yaml.safe_load(path.read_text())


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        (DEFAULT + "\nrl: {steps: 3}\n", 50, "rl"),
        (changed("  steps: 60", "  steps: 60\n  steps: 61"), 35, "rl.steps"),
        (changed("  steps: 60", "  steps: 60\n  'steps': 61"), 35, "rl.steps"),
        (changed("  steps: 60", '  steps: 60\n  "st\\u0065ps": 61'), 35, "rl.steps"),
        (changed("{epochs: 1, minibatches: 2}", "{epochs: 1, epochs: 2}"), 40, "rl.ppo.epochs"),
        (changed("    svamp: {", "    main: {"), 17, "data.tests.main"),
        (
            "study: x\nsweep:\n  variants:\n    a: {}\n    b: {rl: {kl_coefficient: 1}}\n    a: {}\n",
            6,
            "sweep.variants.a",
        ),
        ("study: x\ntests:\n  - {a: 1}\n  - {b: 1, b: 1}\n", 4, "tests.1.b"),
        ("study: x\na: &a {b: 1}\n<<: *a\n<<: *a\n", 4, "<<"),
    ],
)
def test_a_key_that_is_given_twice_is_named(refused, text, line, key):
    assert refused(text).startswith(f":{line}: key {key!r} is given twice, first on line ")


def test_a_key_that_is_given_twice_in_json_is_named(refused):
    text = json.dumps(yaml.safe_load(DEFAULT), indent="\t").replace('"steps": 60', '"steps": 60, "steps": 61')
    assert refused(text, "mine.json") == ": key 'rl.steps' is given twice; keep one of them"


def test_json_with_tabs_is_read(tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps(yaml.safe_load(DEFAULT), indent="\t"))
    assert config_files.read(tmp_path / "mine.json") == yaml.safe_load(DEFAULT)


def test_merged_and_repeated_sections_are_allowed(tmp_path):
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\nc: *a\nd: [*a, *a]\ne: {<<: [*a, {z: 4}]}\n"
    (tmp_path / "mine.yaml").write_text(text)
    assert config_files.read(tmp_path / "mine.yaml")["b"] == {"x": 3, "y": 2}
    laughs = "a0: &a0 {x: 1}\n" + "".join(
        f"a{n}: &a{n} {{{', '.join(f'k{m}: *a{n - 1}' for m in range(9))}}}\n" for n in range(1, 30)
    )
    (tmp_path / "mine.yaml").write_text(laughs)
    config_files.read(tmp_path / "mine.yaml")  # each alias is looked at once, or this would not end


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("010", "YAML reads 010 as an octal number"),
        ("-0_1", "YAML reads -0_1 as an octal number"),
        ("!!int '010'", "YAML reads 010 as an octal number"),
        ("1:30", "YAML reads 1:30 as a base-60 number"),
        ("1:30:00", "as a base-60 number"),
        ("1:30.5", "as a base-60 number"),
        (".inf", "expected a finite number, found .inf"),
        ("-.INF", "expected a finite number"),
        (".NaN", "expected a finite number"),
        ("2024-01-01", "YAML reads 2024-01-01 as a date"),
        ("2024-13-45", "as a date"),
        ("2024-01-01 10:00:00", "as a date"),
        (TOO_LONG, "is a number with too many digits"),
        ('"\\ud800"', "invalid Unicode"),
    ],
)
def test_a_value_that_yaml_reads_as_something_else_is_named(refused, value, reason):
    message = refused(changed("  steps: 60", f"  steps: {value}"))
    assert message.startswith(":34: rl.steps: ") and reason in message
    message = refused(f"question: q\na: [1, {value}]")
    assert message.startswith(":2: a.1: ") and reason in message
    if not value.startswith(("!", '"')):
        assert config_files._yaml(f"a: '{value}'", "x") == {"a": value}  # in quotes it is what it seems


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("study: x\non: 1\n", ":2: on: YAML reads the key 'on' as bool; put the key in quotes"),
        ("tests: {2024: {}}\n", ":1: tests.2024: YAML reads the key '2024' as int"),
        ("a: {~: 1}\n", ":1: a.~: YAML reads the key '~' as null"),
        ("? [a, b]\n: 1\n", ":1: has a key that is a list or a section"),
        ("a: &a [1, *a]\n", ":1: a.1: contains itself"),
        ("study: x\na: &a {b: {c: *a}}\n", ":2: a.b.c: contains itself"),
        (
            "study: x\nrl:\n\tsteps: 1\n",
            ":3: not valid YAML (found character '\\t' that cannot start any token;",
        ),
        ("study: x\nrl: {steps: 1\n", ":3: not valid YAML ("),
        (
            "study: *x\n",
            ":1: not valid YAML (found undefined alias in column 8; put text that begins with * in quotes)",
        ),
        (
            "study: !!python/object:os.system x\n",
            ":1: not valid YAML (could not determine a constructor for the tag in column 8; put text that begins with",
        ),
        *(
            (f"study: !!{tag} {SECRET}\n", ": not valid YAML (a value does not match its tag")
            for tag in ("int", "float", "bool")
        ),
        ("study: !!timestamp x\n", ":1: study: YAML reads x as a date"),
        ("study: x\n---\nstudy: y\n", ":2: not valid YAML (but found another document)"),
        ("", ": expected a study's config, found nothing; write"),
        ("# nothing\n", ": expected a study's config, found nothing; write"),
        ("- study: x\n", ": expected a study's config, found list"),
        ("[]", ": expected a study's config, found list"),
        ("study", ": expected a study's config, found str"),
        (b"study: caf\xe9\n", ": not UTF-8 text; convert the file to UTF-8"),
        ("study: a\x00b\n", ": not valid YAML ("),
        ("a: " + "[" * 3000, ": nested too deeply"),
        ("[" * 100_000, ": nested too deeply"),
        ("results_dir: ~\n", ":1: results_dir: YAML reads ~ as null; put a path in quotes"),
    ],
)
def test_a_file_that_holds_no_config_is_one_line(refused, text, message):
    assert refused(text).startswith(message)


@pytest.mark.parametrize(
    "value",
    [
        f"*{SECRET}",
        f"!{SECRET}",
        f"!{SECRET} x",
        f"!<{SECRET}> x",
        f"!{SECRET}!x y",
        f"!!{SECRET} x",
        f"&{SECRET} 1\n  timeout_s: &{SECRET} 2",
        f"!!int {SECRET}",
        f"'{SECRET}",
        f'"\\{SECRET}"',
        f"%{SECRET}",
        f"@{SECRET}",
        f"|{SECRET}",
        f"[{SECRET}",
        f"a: {SECRET}: b",
    ],
)
def test_what_yaml_does_not_understand_is_not_repeated(refused, value):
    """A password that begins with a sign of YAML's, and stands without quotes."""
    message = refused(f"study: x\nserver:\n  api_key_env: {value}\n")
    assert SECRET not in message and SECRET[1:] not in message
    assert value.startswith("!!int") or message.startswith((":3: ", ":4: "))


@pytest.mark.parametrize("value", ["012345", "12:34:56", "2024-01-01"])
@pytest.mark.parametrize("key", ["api_key_env", "base_url", "command", "uri"])
def test_a_number_that_may_be_a_password_is_not_repeated(refused, key, value):
    message = refused(f"a:\n  {key}: {value}\n")
    assert message.startswith(f":2: a.{key}: YAML reads this value as ") and value not in message


def test_a_missing_file_is_one_line(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(InputError, match=f"{path}: cannot be read"):
            config_files.read(path)


def test_null_is_written_with_a_tilde_elsewhere(tmp_path):
    (tmp_path / "mine.yaml").write_text("pad_token: ~\n")
    assert config_files.read(tmp_path / "mine.yaml") == {"pad_token": None}


@pytest.mark.parametrize(
    ("entries", "key"),
    [
        (["rl={steps: 1, steps: 2}"], "rl.steps"),
        (["rl={ppo: {epochs: 1, epochs: 1}}"], "rl.ppo.epochs"),
        (["study=a", "study=b"], "study"),
        (["rl={steps: 1, kl_coefficient: 0.1}", "rl={steps: 2}"], "rl.steps"),
        (["rl={lora: {r: 8}}", "rl={lora: null}"], "rl.lora"),
    ],
)
def test_an_override_that_is_given_twice_is_named(tmp_path, monkeypatch, entries, key):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"^--config: key '{key}' is given twice; keep one of them$"):
        config_files.check_command_line([], entries, {})


def test_an_override_that_is_not_utf8_is_named():
    with pytest.raises(InputError, match="^--config: question: not UTF-8 text"):
        config_files.check_command_line([], ["question=caf\udce9"], {})


def test_other_overrides_pass(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    entries = [
        "rl={steps: 1}",
        "rl={kl_coefficient: 0.1, ppo: {epochs: 1}}",
        "rl_more=",
        "question=a: b: {",
        "sft={}",
        "tests=[1]",
    ]
    config_files.check_command_line([], entries, {})


def test_a_file_names_its_study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text("rl: {steps: 3}\n")
    (tmp_path / "b.yaml").write_text("study: b\n")
    for files, names in ((["a.yaml"], "a.yaml"), ([tmp_path / "a.yaml", "a.yaml"], "a.yaml, a.yaml")):
        with pytest.raises(
            InputError, match=f"^{names}: `study` is missing, so the results would overwrite the default"
        ):
            config_files.check_command_line(files, ["rl={steps: 3}"], {"rl": {"steps": 3}})
    config_files.check_command_line(["a.yaml", "b.yaml"], [], {"study": "b"})
    config_files.check_command_line(["a.yaml"], ["study=c"], {"study": "c"})
    config_files.check_command_line([], ["rl={steps: 3}"], {"rl": {"steps": "3"}})


def test_the_default_study_s_file_is_checked_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text("study: tiny\nstudy: tiny\n")
    with pytest.raises(InputError, match="^config/config.yaml:2: key 'study' is given twice"):
        config_files.check_command_line([], [], {})


def test_commands_read_a_study_as_the_workflow_does(tmp_path):
    from gavel.cli import cost, resources

    path = tmp_path / "mine.yaml"
    path.write_text(DEFAULT + "rl: {}\n")
    for read in (lambda: resolve.read(path, ROOT), lambda: cost.studies_in(str(path))):
        with pytest.raises(InputError, match="mine.yaml:49: key 'rl' is given twice"):
            read()
    (tmp_path / "config.yaml").write_bytes(b"compute: {threads: 1}\ncaf\xe9: 1")
    with pytest.raises(InputError, match="config.yaml: not UTF-8 text"):
        resources.requested_resources(tmp_path / "config.yaml")
    (tmp_path / "config.yaml").write_text("compute: 3")
    with pytest.raises(InputError, match="config.yaml: compute: expected a section of keys, found 3"):
        resources.requested_resources(tmp_path / "config.yaml")


def test_a_path_from_the_home_folder_is_found_and_one_that_is_too_long_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.jsonl").touch()
    assert resolve.find("~/mine.jsonl", ROOT, "data.train.path") == f"{tmp_path}/mine.jsonl"
    for name in ("~/other.jsonl", "x" * 300):
        with pytest.raises(InputError, match="data.train.path: ") as error:
            resolve.find(name, ROOT, "data.train.path")
        assert "\n" not in str(error.value)


LOCAL = "has no effect on local data"


@pytest.mark.parametrize(
    ("section", "key", "values", "message"),
    [
        ("train", "revision", {"revision": "abc"}, LOCAL),
        ("train", "name", {"name": "foo"}, LOCAL),
        ("pretrain", "revision", {"revision": "abc"}, LOCAL),
        ("tests.main", "name", {"name": "foo"}, LOCAL),
        ("train", None, {"split": "train", "limit": 3, "skip_bad": True}, None),
    ],
)
@pytest.mark.parametrize("place", ["rows.jsonl", "saved", "layout"])
def test_a_key_of_the_hub_beside_a_local_path_is_named(tmp_path, section, key, values, message, place):
    (tmp_path / "rows.jsonl").write_text('{"question": "q", "answer": 1}\n')
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "state.json").touch()
    (tmp_path / "layout").mkdir()
    raw = yaml.safe_load(DEFAULT)
    source = {"reader": "rows", "path": str(tmp_path / place)} | values
    top, _, test = section.partition(".")
    raw["data"][top] = raw["data"]["tests"] | {test: source} if test else source
    if message is None or (key == "name" and place == "layout"):  # whose configurations are folders
        resolve.resolve(raw, ROOT)
        return
    with pytest.raises(InputError, match=rf"^config: data.{section}.{key}: {message} \({tmp_path}"):
        resolve.resolve(raw, ROOT)


SERVED = {"serve": "job", "gpus": [], "command": "serve {model} {port}"}


@pytest.mark.parametrize(
    ("which", "about", "message"),
    [
        ("student", {"model": "resources/models/student"}, "has no effect on a local model"),
        ("judge", {"model": "resources/models/judge"}, "has no effect on a local model"),
        ("student", {"model": "scratch"}, "has no effect on a model made from scratch; leave it out"),
        ("judge", {"model": "scratch"}, "has no effect on a model made from scratch; leave it out"),
        ("judge", {"model": "a/b", "server": {"base_url": "http://h/v1"}}, "has no effect on a server's model"),
        ("judge", {"model": "a/b", "server": SERVED | {"command": "serve a/b {port}"}}, "on a server's model"),
        ("judge", {"model": "resources/models/judge", "server": SERVED}, "has no effect on a local model"),
        ("judge", {"model": "a/b", "server": SERVED}, None),  # it is downloaded for the server
        ("student", {"model": "a/b"}, None),
        ("judge", {"model": "a/b"}, None),
    ],
)
def test_a_revision_that_would_do_nothing_is_named(which, about, message):
    raw = yaml.safe_load(DEFAULT)
    raw[which] = about | {"revision": "abc"}
    if message is None:
        assert resolve.resolve(raw, ROOT)[which]["revision"] == "abc"
        return
    with pytest.raises(InputError, match=f"^config: {which}.revision: .*{message}"):
        resolve.resolve(raw, ROOT)


@pytest.mark.parametrize("command", ["x '{port}", 'x "{port}', "x {port} \\", " "])
def test_a_server_s_command_that_is_no_line_of_words_is_named(command):
    with pytest.raises(InputError, match="^judge.server.command: ") as error:
        serving.split_command(command, "judge.server", model="m")
    assert "\n" not in str(error.value)


def test_a_finished_study_s_own_config_can_be_read_again(tmp_path):
    from gavel.cli import cost

    found = resolve.resolve(yaml.safe_load(DEFAULT), ROOT)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(found, sort_keys=False, allow_unicode=True))
    assert resolve.read(tmp_path / "config.yaml", ROOT) == found
    assert list(cost.studies_in(str(tmp_path / "config.yaml")).values()) == [found]


@pytest.mark.parametrize("variants", [3, [1, 2], "a"])
def test_a_sweep_that_is_none_is_named(tmp_path, variants):
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(yaml.safe_load(DEFAULT) | {"sweep": variants}))
    with pytest.raises(InputError, match="sweep: expected a section of keys"):
        resolve.read(tmp_path / "mine.yaml", ROOT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"study": ".."}, "study: expected a name with a letter or digit;"),
        ({"study": None}, "study: Input should be a valid string"),
        ({"results_dir": "workflow/x"}, "results_dir: workflow/x is in the project's folder workflow"),
        ({"results_dir": True}, "results_dir: expected text"),
        (
            {"sweep": {"variants": {"a": {}, "figures": {}}}},
            "variant name 'figures': is the name of a folder of the comparison",
        ),
    ],
)
def test_what_is_wrong_with_a_sweep_s_place_is_said(change, message):
    raw = yaml.safe_load((ROOT / "config" / "judge-strength.yaml").read_text()) | change
    with pytest.raises(InputError) as error:
        sweep.resolve(raw, ROOT)
    assert message in str(error.value)
    del raw["study"]
    with pytest.raises(InputError, match="'study' is missing|results_dir|sweep"):
        sweep.resolve(raw, ROOT)


def test_a_sweep_lies_in_the_home_folder_where_that_is_asked(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    raw = yaml.safe_load((ROOT / "config" / "judge-strength.yaml").read_text()) | {"results_dir": "~/mine/"}
    found = sweep.resolve(raw, ROOT)
    assert found["results_dir"] == f"{tmp_path}/mine"
    assert found["variants"]["weak"]["results_dir"] == f"{tmp_path}/mine/weak"
