"""Which packages the GPU check takes along, and that a wheel is still one after it has been compressed."""

import sys
import zipfile
from pathlib import Path

import pytest

import collect_wheels

PYTHON = "{}.{}".format(*sys.version_info)
LISTED = "torch==2.11.0+cu130\ntransformers==5.17.0\nPyYAML==6.0.3\npandas==1.0\nhuggingface_hub==1.33.0\n# a comment\n"


def test_pips_list_is_read():
    assert collect_wheels.installed(LISTED) == {
        "torch": "2.11.0+cu130",
        "transformers": "5.17.0",
        "pyyaml": "6.0.3",
        "pandas": "1.0",
        "huggingface-hub": "1.33.0",
    }


def test_the_machines_own_packages_are_left_alone():
    there = dict.fromkeys(collect_wheels.needed_by(collect_wheels.OWN, PYTHON))
    assert {"torch", "transformers", "numpy", "tokenizers"} <= there.keys()
    found = collect_wheels.missing(there, PYTHON)
    assert {"trl", "datasets", "accelerate", "pyarrow", "xxhash", "pytest"} <= found
    assert not found & there.keys()


def test_what_is_there_in_a_version_that_will_not_do_is_collected():
    found = collect_wheels.missing(dict(collect_wheels.installed(LISTED)), PYTHON)
    assert "pandas" in found and "pyarrow" in found
    assert not found & {"torch", "transformers", "pyyaml", "huggingface-hub"}


def wheel(path: Path, size: int = 0) -> Path:
    """A wheel of one module."""
    info = f"{path.name.split('-')[0]}-1.0.dist-info"
    texts = {
        "small.py": "answer = 42\n",
        "large.bin": bytes(size),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {path.name.split('-')[0]}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
    return path


def test_a_compressed_wheel_has_the_same_files(tmp_path):
    path = wheel(tmp_path / "small-1.0-py3-none-any.whl", size=100_000)
    before = zipfile.ZipFile(path)
    contents = {name: before.read(name) for name in before.namelist()}
    size = path.stat().st_size
    collect_wheels.repack(path)
    after = zipfile.ZipFile(path)
    assert {name: after.read(name) for name in after.namelist()} == contents
    assert path.stat().st_size < size / 10
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.fixture
def offline(monkeypatch):
    """Instead of a download, two wheels of a megabyte of zeros each."""

    def download(pins, folder, python):
        for name in ("trl", "small"):
            wheel(folder / f"{name}-1.0-py3-none-any.whl", size=1_000_000)

    monkeypatch.setattr(collect_wheels, "download", download)


def test_wheels_are_compressed_until_they_fit(tmp_path, offline, capsys):
    collect_wheels.main([str(tmp_path / "wheels"), "--limit", "1.5"])
    sizes = sorted(path.stat().st_size for path in (tmp_path / "wheels").glob("*.whl"))
    assert sizes[0] < 100_000 and sizes[1] > 1_000_000
    assert "2 wheels, 1.0 MB" in capsys.readouterr().out
    pins = (tmp_path / "wheels" / "requirements.txt").read_text().split()
    assert any(pin.startswith("trl==") for pin in pins) and not any(pin.startswith("torch==") for pin in pins)


@pytest.mark.parametrize(
    ("listed", "arguments", "message"),
    [
        (None, ["--limit", "0.001"], r"above the limit of 0\.001 MB \(\w+ .*; name with --installed what"),
        ("numpy==2.4.6\n", [], "torch and transformers not installed there"),
    ],
)
def test_what_cannot_work_is_said(tmp_path, offline, listed, arguments, message):
    if listed is not None:
        (tmp_path / "list.txt").write_text(listed)
        arguments = [*arguments, "--installed", str(tmp_path / "list.txt")]
    with pytest.raises(SystemExit, match=message):
        collect_wheels.main([str(tmp_path / "wheels"), *arguments])


def test_a_folder_with_other_files_is_not_added_to(tmp_path):
    (tmp_path / "x").touch()
    with pytest.raises(SystemExit, match="is not empty"):
        collect_wheels.main([str(tmp_path)])
