"""`gavel harness` before it starts lm_eval; tests/system/packages runs lm_eval itself."""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
import yaml

from gavel.cli.main import main


@pytest.fixture
def installed(monkeypatch):
    """As if lm_eval were installed."""
    module = ModuleType("lm_eval")
    module.__spec__ = ModuleSpec("lm_eval", None)
    monkeypatch.setitem(sys.modules, "lm_eval", module)


def refusal(capsys, *arguments):
    assert main(["harness", *map(str, arguments)]) == 2
    return capsys.readouterr().err


def test_without_lm_eval_it_says_how_to_install_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    assert "run `make install-lm-eval`" in refusal(capsys, tmp_path, "sft")


def test_a_missing_run_or_checkpoint_is_named(installed, study, capsys):
    folder, config = study
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    assert "no run 'none'; choose from sft" in refusal(capsys, folder, "none")
    assert f"{folder}/runs/sft/best: no such folder" in refusal(capsys, folder, "sft")


def test_a_limit_is_a_number_of_questions(installed, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["harness", str(tmp_path), "sft", "--limit", "0"])
    assert "'0' is not a whole number of 1 or more" in capsys.readouterr().err
