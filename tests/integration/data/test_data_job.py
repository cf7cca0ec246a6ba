"""The job `prepare_data` on a user's own CSV file."""

import csv
import json

from helpers.small import STUDY, Project, generator

COLUMNS = {"question": "problem", "answer": "final", "solution": "rationale"}


def write(path, solution):
    with path.open("w", newline="", encoding="utf-8-sig") as handle:
        table = csv.writer(handle)
        table.writerow(COLUMNS.values())
        for n in range(2, 62):
            table.writerow([f"Tom has {n} red cats, and buys {n} more. How many has he?", 2 * n, solution(n)])


def test_rows_with_and_without_a_solution_reach_the_splits_and_none_with_one_stops_sft(tmp_path):
    project = Project(tmp_path)
    source = {"reader": "rows", "path": str(tmp_path / "mine.csv"), "columns": COLUMNS}
    pretrain = generator("pretrain", 300, 0)
    data = {"pretrain": pretrain, "train": source, "labeled": 40, "unlabeled": 10, "validation": 10}
    scratch, solution = {"model": "scratch"}, {"reasoning": True, "max_new_tokens": 120}
    project.configure(data=data, student=scratch, judge=scratch, solution=solution)
    write(tmp_path / "mine.csv", lambda n: f"Tom has {n} + {n} = <<{n}+{n}={2 * n}>>{2 * n} cats now." if n % 2 else "")
    done = project.run(f"{STUDY['results_dir']}/data/splits.json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((project.results / "data/splits.json").read_text())["notes"]["solutions"]
    assert 20 <= found["labeled"] < 30 and found["labeled"] + found["validation"] == 30
    assert f"{found['labeled']} of the labelled questions have a solution for SFT" in done.stdout + done.stderr
    rows = [json.loads(line) for line in (project.results / "data/labeled.jsonl").read_text().splitlines()]
    assert [("program" in row) for row in rows] == [True] * found["labeled"] + [False] * (40 - found["labeled"])
    assert "\n    # Tom has " in rows[0]["program"] and all(row["gold"] for row in rows)

    write(tmp_path / "mine.csv", lambda n: "Count them." if n % 2 else "")
    done = project.run(f"{STUDY['results_dir']}/data/splits.json")
    assert done.returncode != 0
    (line,) = {
        line.partition("error: ")[2] for line in (done.stdout + done.stderr).splitlines() if "error: sft: " in line
    }
    assert line.startswith("sft: none of 40 labelled questions has a solution to train on (")
    assert f"do not convert (no calculation): {tmp_path / 'mine.csv'}:" in line and "`sft: null`" in line
