"""Two training processes ask the one server that their job has started, and it is killed in mid-run."""

import os
import signal

from gavel.common.files import read_json
from gavel.jobs.launch import restore_dataclasses, train
from gavel.judge.access import judge_access
from helpers.own_server import pid_of, study
from helpers.small_run import small_job

JUDGE = {"model": "m", "cache": "off"}


def test_processes_that_train_together_share_one_server(tiny, rows, tmp_path, capfd):
    """The server is killed in mid-run; what both then miss follows the rule for missing rewards."""
    killed = []

    class Killer:
        def mirror(self, journal, up_to_step):
            if up_to_step == 2 and not killed:
                killed.append(pid_of(access))
                os.kill(killed[0], signal.SIGKILL)

    with judge_access(study(tmp_path, restarts=1), tmp_path / "rl.log") as access:
        changes = {"settings": {"prompts_per_step": 4, "save_every": 1}, "judge": JUDGE | access}
        job = restore_dataclasses(train, small_job(tmp_path, tiny, rows, **changes))
        train("gavel.training.rl.train", {"processes": 2, "distributed": "ddp"}, 2, mirror=Killer(), **job)
        assert pid_of(access) != killed[0]
    assert read_json(tmp_path / "out" / "run.json")["status"] == "finished"
    assert "restarting it (1 of 1)" in capfd.readouterr().err
    assert (tmp_path / "rl.judge-server.log").read_text().count("loading weights") == 2
