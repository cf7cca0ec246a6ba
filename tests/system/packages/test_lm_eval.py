"""lm-evaluation-harness itself, beside what Gavel writes for it and takes from it."""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec

import pytest
import yaml

from gavel.cli.main import main
from gavel.common.files import read_json, read_jsonl, write_jsonl
from gavel.common.paths import ROOT
from gavel.evaluation.generate import generate
from gavel.evaluation.score import score
from gavel.models.loading import Student
from gavel.models.task import Task
from gavel.solutions.other_verifiers import FILTERS, IGNORED, by_filter
from gavel.study import params
from helpers import fake_results
from helpers.answer_corpus import HELD_OUT, constructed, written
from helpers.chat_student import END, chat_student

pytestmark = [
    pytest.mark.skipif(
        find_spec("lm_eval") is None,
        reason="lm_eval is not installed here: make test-all runs these tests in .venv-lm-eval",
    ),
    pytest.mark.timeout(1200),
]

TASK = "tiny_main"


def evaluated(results, rows, solution, checkpoint):
    """A study whose baseline is a given checkpoint, which has really answered the test questions."""
    study = fake_results.STUDY | {"results_dir": str(results), "solution": fake_results.STUDY["solution"] | solution}
    study["data"] = study["data"] | {"tests": {"main": study["data"]["tests"]["main"]}}
    results.mkdir(parents=True)
    (results / "config.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(study, default=list))))
    questions, folder = results / "data/test/main.jsonl", results / "evaluation/sft/main"
    write_jsonl(questions, rows)
    task = Task.from_config(params.solution(study))
    generate(
        model=checkpoint,
        student=Student(),
        task=task,
        files=[(str(questions), str(folder / "responses.jsonl"))],
        n=2,
        temperature=0.7,
        seed=0,
    )
    responses, samples = str(folder / "responses.jsonl"), str(folder / "samples.jsonl")
    score(questions=str(questions), responses=responses, output=samples, solution_format=task.format)
    return results


@pytest.fixture(scope="module")
def results(rows, tmp_path_factory):
    """The shipped student, which writes programs."""
    root = tmp_path_factory.mktemp("program") / "results"
    checkpoint = root.parent / "student, shipped"  # a comma would end an argument of lm_eval's
    shutil.copytree(ROOT / "resources/models/student", checkpoint)
    evaluated(root, rows, {"format": "program", "prompt": "solve", "max_new_tokens": 48}, str(checkpoint))
    (root / "runs/sft").mkdir(parents=True)
    checkpoint.rename(root / "runs/sft/best")
    return root


def run(capsys, results, *options):
    """What `gavel harness` finds, and lm_eval's own sample log."""
    capsys.readouterr()
    assert main(["harness", str(results), "sft", "--json", *options]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    return found, list(read_jsonl(found["samples"]))


def own(results):
    return [row for row in read_jsonl(results / "evaluation/sft/main/samples.jsonl") if row["sample"] < 0]


def test_lm_eval_gives_the_study_s_responses_and_accuracy(results, capsys):
    found, _ = run(capsys, results)
    accuracy = sum(row["correct"] for row in own(results)) / 60
    assert (found["questions"], found["same"]) == (60, 60)
    assert found["study"] == found["filters"]["gavel"] == pytest.approx(accuracy)
    assert 0 < accuracy < 1
    assert found["filters"]["strict-match"] == 0.0  # which does not see what a program returns


def test_the_export_has_the_rows_and_keys_of_a_run_of_lm_eval(results, capsys):
    found, theirs = run(capsys, results)
    assert main(["export", str(results), "sft", "--lm-eval"]) == 0
    (path,) = (results / "lm_eval/tiny__sft").glob("results_*.json")
    (log,) = path.parent.glob(f"samples_{TASK}_2*.jsonl")
    assert list(read_jsonl(log)) == theirs
    lm_eval = read_json(found["samples"].replace(f"samples_{TASK}_", "results_").removesuffix("l"))
    exported = read_json(path)
    for key in ("results", "n-samples", "versions", "n-shot", "higher_is_better", "task_hashes"):
        assert exported[key][TASK] == pytest.approx(lm_eval[key][TASK]), key
    assert exported["group_subtasks"] == lm_eval["group_subtasks"]
    mine, other = exported["configs"][TASK], lm_eval["configs"][TASK]
    mine["filter_list"][-1]["filter"][0]["filter_fn"] = other["filter_list"][-1]["filter"][0]["filter_fn"]
    assert mine | {"metadata": None} == {key: other[key] for key in mine} | {"metadata": None}
    environment = {"pretty_env_info", "transformers_version", "upper_git_hash", "eot_token_id", "max_length"}
    environment |= {f"tokenizer_{name}_token" for name in ("pad", "eos", "bos")}
    assert set(lm_eval) - set(exported) == environment


READ = """
import json, sys
from pathlib import Path
from datasets import load_dataset
from lm_eval.loggers.wandb_logger import WandbLogger
from lm_eval.utils import get_file_task_name, get_latest_filename, get_results_filenames
from lm_eval.utils import get_sample_results_filenames, make_table

files = [path.as_posix() for path in Path(sys.argv[1]).iterdir()]
results = json.loads(Path(get_latest_filename(get_results_filenames(files))).read_text())
print(make_table(results))
for path in sorted(get_sample_results_filenames(files)):
    task = get_file_task_name(Path(path).name)
    rows = load_dataset("json", data_files=path, split="train", cache_dir=sys.argv[2])
    data = [json.loads(line) | {"arguments": [["prompt"]]} for line in Path(path).read_text().splitlines()]
    table = WandbLogger._generate_dataset(None, data, results["configs"][task])
    print(task, len(rows), len(table), round(table["exact_match"].sum()))
"""


def test_lm_eval_s_own_readers_read_the_export(results, tmp_path):
    """Its table, its file names, the data set that it uploads to the hub, and the table for W&B."""
    assert main(["export", str(results), "sft", "--lm-eval", "--append-answers", "--out", str(tmp_path / "out")]) == 0
    command = [sys.executable, "-c", READ, str(tmp_path / "out/tiny__sft"), str(tmp_path / "cache")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    right = sum(row["correct"] for row in own(results))
    assert f"{TASK} 180 180 {3 * right}" in done.stdout.splitlines()
    assert f"{TASK}_sampled 180 180 " in done.stdout
    shown = [line for line in done.stdout.splitlines() if line.startswith("|") and "exact_match" in line]
    assert len(shown) == 6 and all(f"|{right / 60:.4f}|" in line for line in shown[:3])


def test_a_limit_asks_the_first_questions(results, tmp_path, capsys):
    found, rows = run(capsys, results, "--limit", "7", "--out", str(tmp_path / "out"))
    assert (found["questions"], found["same"]) == (7, 7)
    assert [row["doc_id"] for row in rows[:7]] == list(range(7))


def test_with_a_chat_template_both_read_the_same_prompt_and_stop_at_its_token(rows, tiny, tmp_path, capsys):
    root = tmp_path / "results"
    chat = chat_student(tiny, tmp_path / "chat")
    evaluated(root, rows[:8], {"format": "text", "prompt": "solve", "chat": True, "max_new_tokens": 24}, chat)
    (root / "runs/sft").mkdir(parents=True)
    shutil.move(chat, root / "runs/sft/best")
    found, logged = run(capsys, root)
    assert (found["questions"], found["same"]) == (8, 8)
    assert logged[0]["arguments"]["gen_args_0"]["arg_1"]["until"] == [END]


def test_a_failure_of_lm_eval_is_reported(results, tmp_path, capsys):
    broken = tmp_path / "results"
    shutil.copytree(results, broken, ignore=shutil.ignore_patterns("lm_eval"))
    (broken / "runs/sft/best/config.json").write_text("{")
    assert main(["harness", str(broken), "sft"]) == 2
    assert "lm_eval ended with exit status 1" in capsys.readouterr().err


def test_our_filters_are_lm_eval_s():
    from lm_eval.api.metrics import exact_match_hf_evaluate
    from lm_eval.filters.extraction import RegexFilter

    rows = [*written(), *constructed(), *constructed(HELD_OUT)]
    for filter in FILTERS.values():
        ours = [by_filter(filter)(row.response, row.answer) for row in rows]
        theirs = RegexFilter(regex_pattern=filter.pattern, group_select=filter.match)
        found = [texts[0] for texts in theirs.apply([[row.response] for row in rows], [{} for _ in rows])]
        assert [reading.answer or "[invalid]" for reading in ours] == found
        options = dict(regexes_to_ignore=list(IGNORED), ignore_case=True)
        values = [
            exact_match_hf_evaluate([text], [row.answer], **options)["exact_match"]
            for text, row in zip(found, rows, strict=True)
        ]
        assert [float(reading.correct) for reading in ours] == values


def test_the_filters_are_those_of_its_task_gsm8k():
    from lm_eval.tasks import TaskManager

    (path,) = [entry.yaml_path for name, entry in TaskManager().task_index.items() if name == "gsm8k"]
    task = yaml.safe_load(path.read_text())
    patterns = {each["name"]: each["filter"][0] for each in task["filter_list"]}
    assert {name: (filter.pattern, filter.match) for name, filter in FILTERS.items()} == {
        name: (each["regex_pattern"], each.get("group_select", 0)) for name, each in patterns.items()
    }
    assert task["metric_list"][0]["regexes_to_ignore"] == list(IGNORED)
