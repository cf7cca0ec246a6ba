"""`gavel judge` with a server that it starts itself."""

import json

import yaml

from gavel.cli.main import main
from gavel.common.paths import ROOT
from helpers.own_server import command


def test_a_study_whose_jobs_start_the_judge_s_server_has_it_started_here_too(write, tmp_path, capsys):
    file = write(*({"question": "q", "response": str(i), "correct": i % 2 == 0} for i in range(20)))
    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    raw["judge"] = {"model": "m", "server": {"serve": "job", "command": command()}, "cache": False}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(raw))
    assert main(["judge", file, "--judge", str(tmp_path / "study.yaml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 20
    raw["judge"]["server"]["command"] = command(status=3)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(raw))
    assert main(["judge", file, "--judge", str(tmp_path / "study.yaml")]) == 2
    assert "it ended with status 3 before it answered" in capsys.readouterr().err
