"""The jobs that `gavel status` expects of a study are those that Snakemake would run."""

import pytest
import yaml

from gavel.common.nested import merge
from gavel.common.paths import ROOT
from gavel.study import resolve
from gavel.study.status import expected
from helpers.small import STUDY
from helpers.workflow import snakemake

CONFIGS = {
    "small": {},
    "without SFT": {"sft": None, "judge": {"on_weak_judge": "stop"}, "rl": {"keep_rollouts": 0}},
    "verifier and controls": {
        "student": {"model": "scratch"},
        "judge": {"model": "scratch", "verifier": {}},
        "controls": {"rewards": ["coin"], "sft": ["majority-vote"], "base": True, "seeds": [0, 1]},
    },
    "judge training": {
        "judge": {
            "model": "resources/models/judges",
            "kind": "pairwise",
            "benchmark": {"questions": 16},
            "self_taught": {"iterations": 2, "questions": 60},
            "rl": {},
        },
        "replay": {"judges": {"other": str(ROOT / "resources/models/judge")}},
    },
}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_expected_jobs_are_those_that_would_run(name, tmp_path, monkeypatch):
    raw = merge(STUDY, CONFIGS[name])
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(raw))
    done = snakemake("-n", "--cores", "1", "--configfile", "mine.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    table = done.stdout.split("Job stats:")[1].split("\ntotal")[0].splitlines()[3:]
    planned = {rule: int(count) for rule, count in (line.split() for line in table if line.strip())}
    monkeypatch.chdir(tmp_path)
    counted = {rule: len(jobs) for rule, jobs in expected(resolve.resolve(raw, ROOT)).items() if jobs}
    assert counted == {rule: count for rule, count in planned.items() if rule != "all"}
