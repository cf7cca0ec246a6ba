"""`gavel status`: the states of jobs and runs, read from logs and journals."""

import json
import os
import time
from pathlib import Path

import psutil
import pytest
import yaml

from gavel.cli.main import main
from gavel.common.files import write_text
from gavel.common.journal import Journal
from gavel.jobs import snakemake_lock
from gavel.study import status
from gavel.study.rules import RULES
from gavel.study.schema.study import load
from gavel.study.status import Job, Stage
from helpers.half_way import RUN, at, log, write_half_way
from helpers.small import STUDY


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def the_job(name: str) -> Job:
    (found,) = [job for job in status.jobs("results/small") if job.log.endswith(f"logs/{name}.log")]
    return found


def shown(capsys, *arguments: str) -> str:
    assert main(["status", *arguments]) == 0
    return capsys.readouterr().out


def test_every_rule_belongs_to_one_stage():
    assert sorted(rule for rules in status.STAGES.values() for rule in rules) == sorted(RULES)


@pytest.mark.parametrize("rule", RULES)
def test_a_log_belongs_to_its_rule(rule):
    names = {"run": RUN, "stage": "iteration1-dpo", "iteration": "2", "judge": "start", "which": "student"}
    names["what"] = "data/tests.main"
    pattern = RULES[rule].log
    wildcards = [value for key, value in names.items() if f"{{{key}}}" in pattern]
    assert status.rule_of_log(pattern.format_map(names)) == (rule, " ".join(wildcards))


def test_other_logs_belong_to_none():
    log("rl/x.judge-server", at("a job: done"))
    log("unknown/x", at("a job: done"))
    assert [*status.jobs("results/small")] == []


@pytest.mark.parametrize(
    ("lines", "state", "error"),
    [
        ([at("a job: done")], "done", None),
        ([at("a job: done"), "a library's last words"], "done", None),
        ([at("error: rl.steps: too many")], "failed", "rl.steps: too many"),
        (["Traceback (most recent call last):", "  File x", "ValueError: bad"], "failed", "ValueError: bad"),
        (
            ["Traceback (most recent call last):", "  File x", "torch.cuda.OutOfMemoryError: CUDA"],
            "failed",
            "torch.cuda.OutOfMemoryError: CUDA",
        ),
        ([at("interrupted")], "stopped", "interrupted"),
        ([at("step 2/4: validation greedy 0.1")], "stopped", "ended without a word: killed, or the machine stopped"),
    ],
)
def test_a_log_s_end_tells_how_the_job_ended(lines, state, error):
    log("sft", *lines)
    job = the_job("sft")
    assert (job.rule, job.of, job.state, job.error) == ("train_sft", "", state, error)


def test_the_last_attempt_counts():
    log("sft", at("error: first"))
    log("sft", at("a job: done"))
    assert the_job("sft").state == "done"
    log("sft", at("error: third"))
    assert the_job("sft").error == "third"


def test_an_empty_log_is_of_a_job_that_has_not_begun():
    write_text("results/small/logs/data.log", "")
    job = the_job("data")
    assert (job.state, job.error, job.attempts) == ("stopped", "has not begun", ())


def test_each_attempt_has_its_times():
    path = Path("results/small/logs/sft.log")
    lines = ["2026-11-30 01:00:00 sft: started, process 1", "2026-11-30 01:00:30 step 1", "no time here"]
    lines += ["2026-11-30 09:00:00 sft: started, process 1", "2026-11-30 09:00:10 sft: done"]
    write_text(path, "\n".join(lines) + "\n")
    (first, second) = the_job("sft").attempts
    assert first[1] - first[0] == 30 and second[1] - second[0] == 10 and second[0] - first[0] == 8 * 3600


def test_a_running_attempt_lasts_until_now():
    log("sft", process=os.getpid())
    ((start, end),) = the_job("sft").attempts
    assert time.time() - 60 < start <= end <= time.time()


def test_a_process_of_this_machine_runs_if_it_is_the_job_s():
    log(f"rl/{RUN}", process=os.getpid())
    assert the_job(f"rl/{RUN}").state == "running"
    path = Path("results/small/logs/rl", f"{RUN}.log")
    before = time.strftime("%Y", time.localtime(psutil.Process().create_time() - 366 * 86400))
    path.write_text(f"{before}-01-01 00:00:00 rl: started, process {os.getpid()}\n")
    assert the_job(f"rl/{RUN}").state == "stopped", "the id was another process's then"


def test_a_job_of_another_machine_runs_while_snakemake_does_and_it_writes(monkeypatch):
    log(f"rl/{RUN}", age=3600)
    assert the_job(f"rl/{RUN}").state == "stopped"
    Path(".snakemake/locks").mkdir(parents=True)
    Path(".snakemake/locks/0.input.lock").write_text("x")
    snakemake_lock.record_owner()
    assert the_job(f"rl/{RUN}").state == "stopped", "nothing has been written for an hour"
    Journal(f"results/small/state/{RUN}/journal.jsonl").append(1, {"loss": 1.0})
    assert the_job(f"rl/{RUN}").state == "running"
    monkeypatch.setattr(snakemake_lock, "_is_dead", lambda owner: True)
    assert the_job(f"rl/{RUN}").state == "stopped"


@pytest.fixture
def half_way():
    write_half_way()


def test_a_study_s_page_has_stages_runs_and_problems(half_way, capsys):
    page = shown(capsys, "small.yaml")
    assert (
        page
        == f"""# results/small

jobs      done  running  failed  waiting
data      1                      1
sft       1
judge                            3
rl              1        1       4
evaluate                         7
report                           1

run                   state    step      last validation
sft                   done     12 of 12  step 12: greedy 50.0%
{RUN}  running  3 of 4    step 2: greedy 25.0%, judge 0.125
ppo-lambda0.5-seed0   failed

failed: train_rl ppo-lambda0.5-seed0: out of luck (log: results/small/logs/rl/ppo-lambda0.5-seed0.log)

no report yet

2 of 20 jobs done, 16% of the estimated work; about 10 s left
"""
    )


def test_without_the_config_what_has_not_started_is_unknown(half_way, capsys):
    page = shown(capsys, "results/small")
    assert "waiting" not in page and "evaluate" not in page and "left" not in page
    assert f"{RUN}  running  3 of 4    step 2: greedy 25.0%, judge 0.125\n" in page
    assert shown(capsys, "results") == page


def test_json_has_the_same(half_way, capsys):
    (found,) = json.loads(shown(capsys, "small.yaml", "--json"))
    assert found["runs"][1] == {
        "name": RUN,
        "state": "running",
        "step": 3,
        "steps": 4,
        "validation": {"step": 2, "greedy": 0.25, "judge": 0.125},
    }
    assert found["stages"][0] == {"name": "data", "done": 1, "running": 0, "failed": 0, "stopped": 0, "waiting": 1}
    assert found["report"] is None and found["problems"][0]["error"] == "out of luck"


def test_nothing_is_written(half_way, capsys):
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    shown(capsys, "small.yaml")
    shown(capsys, "results/small")
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before


def test_a_finished_study_names_its_report(half_way, capsys):
    write_text(Path("results/small/report.html"), "")
    assert shown(capsys, "results/small").endswith("\nopen results/small/report.html\n")


def test_a_sweep_has_a_page_for_each_variant(half_way, capsys):
    variants = {"first": {}, "second": {"rl": {"algorithms": ["grpo"]}}}
    Path("small.yaml").write_text(yaml.safe_dump(STUDY | {"sweep": {"variants": variants}}))
    page = shown(capsys, "small.yaml")
    assert [line for line in page.splitlines() if line.startswith("#")] == [
        "# results/small/first",
        "# results/small/second",
    ]
    assert page.count("ppo-lambda0.5-seed0") == 1


def test_a_job_of_an_earlier_config_does_not_count(half_way):
    log("rl/rloo-lambda0.5-seed0", at("a job: done"))
    found = status.status("results/small", load(STUDY))
    assert Stage("rl", done=0, running=1, failed=1, stopped=0, waiting=4) in found.stages


@pytest.mark.parametrize("name", ["none", "none.yaml", "."])
def test_where_nothing_has_run_is_one_line(name, capsys):
    assert main(["status", name]) == 2
    assert capsys.readouterr().err.count("\n") == 1
