"""GGUF files in a config: which file is meant, which folder jobs read, and which keys contradict each other."""

import pytest
import yaml

from gavel.common.errors import InputError
from gavel.common.paths import ROOT
from gavel.study import layout, params, resolve

JUDGE = {"model": "resources/models/judge"}


def study(student=None, judge=JUDGE, **changes) -> dict:
    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    return resolve.resolve(raw | {"student": student or raw["student"], "judge": judge} | changes, ROOT)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a-Q4_1.gguf").touch()
    return tmp_path


@pytest.mark.parametrize(
    "named",
    [
        lambda folder: {"model": f"{folder}/a-Q4_1.gguf"},
        lambda folder: {"model": str(folder), "gguf_file": "a-Q4_1.gguf"},
    ],
)
def test_a_local_file_is_converted_and_jobs_read_the_folder(folder, named):
    resolved = study(student=named(folder))
    assert layout.gguf(resolved) == {"student": (f"{folder}/a-Q4_1.gguf", None)}
    assert layout.start_model(resolved, "student") == "results/models/gguf/student"
    assert params.student(resolved)["model"] == layout.model_files(resolved)["student"] == "results/models/gguf/student"
    assert "student" not in layout.hub(resolved) and "student" not in layout.local_models(resolved)
    assert layout.model_or_hub_name(resolved, "student") == f"{folder}/a-Q4_1.gguf"
    assert "gguf_file" not in params.student(resolved)


def test_a_file_on_the_hub_is_downloaded_alone_and_then_converted():
    resolved = study(judge={"model": "owner/name-GGUF", "gguf_file": "x.gguf", "revision": "v1"})
    wanted = {"kind": "model", "name": "owner/name-GGUF", "revision": "v1", "file": "x.gguf"}
    assert layout.hub(resolved) == {"judge": wanted}
    assert layout.gguf(resolved) == {"judge": ("results/hub/judge", "x.gguf")}
    assert layout.start_model(resolved, "judge") == "results/models/gguf/judge"


def test_a_server_loads_the_file_itself(folder):
    server = {"serve": "job", "command": "llama-server -m {model} --port {port}"}
    resolved = study(judge={"model": f"{folder}/a-Q4_1.gguf", "server": server})
    assert layout.gguf(resolved) == {}
    assert layout.start_model(resolved, "judge") == f"{folder}/a-Q4_1.gguf"


def test_other_studies_convert_nothing():
    assert layout.gguf(study()) == {}


@pytest.mark.parametrize(
    ("student", "message"),
    [
        ({"model": "{}/b.gguf"}, "student.model: no such file or folder: .*b.gguf"),
        ({"model": "owner/b.gguf"}, "student.model: no such file: owner/b.gguf; .* `gguf_file: b.gguf`"),
        ({"model": "{}", "gguf_file": "b.gguf"}, r"has no file b.gguf \(GGUF files there: a-Q4_1.gguf\)"),
        ({"model": "owner/name", "gguf_file": "b.bin"}, "gguf_file: expected a name that ends in .gguf"),
        ({"model": "{}/a-Q4_1.gguf", "gguf_file": "b.gguf"}, "gguf_file: has no effect on .*which is such a file"),
        ({"model": "scratch", "gguf_file": "b.gguf"}, "gguf_file: has no effect on a model made from scratch"),
        ({"model": "{}/a-Q4_1.gguf", "revision": "v1"}, "revision: has no effect on a local model"),
        ({"model": "resources/models/student/model.safetensors"}, "is a file; name the model's folder"),
    ],
)
def test_what_cannot_be_meant_is_refused(folder, student, message):
    named = {key: value.format(folder) for key, value in student.items()}
    with pytest.raises(InputError, match=message):
        study(student=named)


def test_a_servers_model_has_no_file_to_convert():
    server = {"base_url": "http://localhost:8000/v1"}
    with pytest.raises(InputError, match="judge.gguf_file: has no effect on a server's model"):
        study(judge={"model": "name", "gguf_file": "x.gguf", "server": server})
