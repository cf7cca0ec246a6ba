"""Tasks, results and sample logs in lm-evaluation-harness's formats."""

import importlib.util
import json
from hashlib import sha256

import pytest
import yaml

from gavel.data import lm_eval
from gavel.data.lm_eval_files import AnsweredTask, HarnessTask, folder_of, write_results, write_tasks
from gavel.data.lm_eval_filter import program, text
from gavel.solutions.other_verifiers import Reading

DOCS = [
    {
        "id": name,
        "question": f"{name} {{{{x}}}}?",
        "prompt": f"Q: {name} {{{{x}}}}?\nA:\n",
        "answer": gold,
        "kind": None,
    }
    for name, gold in (("a", "7"), ("b", "4.33"), ("c", "None"))
]
TASK = HarnessTask("mine_main", DOCS, "text", ["<end>"], 48)
RIGHT, WRONG = Reading("7", True), Reading(None, False)


@pytest.fixture
def answered():
    """Three questions with two responses each; of the last one, Gavel's verdict is unknown."""
    readings = {"strict-match": [RIGHT, WRONG, WRONG], "gavel": [RIGHT, Reading("13/3", True), None]}
    return AnsweredTask(TASK._replace(repeats=2, temperature=0.7), [["7", "8"], ["13/3", ""], ["x", "y"]], readings)


def test_the_rows_are_the_harness_s(answered):
    first, *_, last = rows = list(answered.rows())
    assert [(row["filter"], row["doc_id"]) for row in rows] == [
        *(("strict-match", number) for number in range(3)),
        *(("gavel", number) for number in range(2)),
    ]
    assert first == {
        "doc_id": 0,
        "doc": DOCS[0],
        "target": "7",
        "arguments": {
            "gen_args_0": {
                "arg_0": "Q: a {{x}}?\nA:\n",
                "arg_1": {"until": ["<end>"], "do_sample": True, "temperature": 0.7, "max_gen_toks": 48},
            }
        },
        "resps": [["7", "8"]],
        "filtered_resps": ["7"],
        "filter": "strict-match",
        "metrics": ["exact_match"],
        "doc_hash": sha256(json.dumps(DOCS[0], indent=2).encode()).hexdigest(),
        "prompt_hash": sha256(b"Q: a {{x}}?\nA:\n").hexdigest(),
        "target_hash": sha256(b"7").hexdigest(),
        "exact_match": 1.0,
    }
    assert rows[1]["filtered_resps"] == ["[invalid]"] and last["exact_match"] == 1.0


def test_the_files_lie_where_the_harness_puts_them(answered, tmp_path):
    path = write_results([answered], model="mine/sft", model_args={"pretrained": "runs/sft/best"}, out=tmp_path)
    assert path.parent == tmp_path / "mine__sft"
    time = path.name.removeprefix("results_").removesuffix(".json")
    log = path.parent / f"samples_mine_main_{time}.jsonl"
    assert {each.name for each in path.parent.iterdir()} == {path.name, log.name} and ":" not in time
    assert [json.loads(line) for line in log.read_text().splitlines()] == list(answered.rows())
    found = json.loads(path.read_text())
    assert found["results"]["mine_main"] == {
        "name": "mine_main",
        "alias": "mine_main",
        "sample_len": 3,
        "exact_match,strict-match": pytest.approx(1 / 3),
        "exact_match_stderr,strict-match": pytest.approx(1 / 3),
        "exact_match,gavel": 1.0,
        "exact_match_stderr,gavel": 0.0,
    }
    assert found["config"]["model_args"] == {"pretrained": "runs/sft/best"}
    assert (found["model_name"], found["model_name_sanitized"]) == ("mine/sft", "mine__sft")
    assert found["n-samples"] == {"mine_main": {"original": 3, "effective": 3}}
    names = "results configs versions n-shot higher_is_better n-samples task_hashes".split()
    assert all(list(found[name]) == ["mine_main"] for name in names)
    task = found["configs"]["mine_main"]
    assert (task["repeats"], task["output_type"], task["metric_list"][0]["metric"]) == (
        2,
        "generate_until",
        "exact_match",
    )


def test_one_question_has_no_standard_error():
    one = AnsweredTask(TASK._replace(docs=DOCS[:1]), [["7"]], {"strict-match": [RIGHT], "gavel": [None]})
    assert one.metrics()["exact_match_stderr,strict-match"] == "N/A"
    assert "exact_match,gavel" not in one.metrics()


def test_the_digest_depends_on_the_questions_not_on_the_responses(answered):
    other = answered._replace(responses=[["1", "1"]] * 3)
    assert answered.digest() == other.digest()
    changed = answered._replace(task=TASK._replace(docs=[DOCS[0] | {"prompt": "Q"}, *DOCS[1:]]))
    assert answered.digest() != changed.digest()


def test_a_sample_log_is_read_back(answered, tmp_path):
    path = write_results([answered], model="m", model_args={}, out=tmp_path)
    new = lm_eval.RepeatFilter()
    (log,) = path.parent.glob("samples_*")
    rows = [row for row in map(json.loads, log.read_text().splitlines()) if new(row)]
    assert [lm_eval.responses(row) for row in rows] == answered.responses
    assert [lm_eval.gold(row) for row in rows] == ["7", "4.33", "None"]


def test_a_task_is_a_yaml_file_with_its_questions_and_the_filter_s_functions(tmp_path):
    write_tasks([TASK], tmp_path)
    written = (tmp_path / "mine_main.yaml").read_text()
    assert "filter_fn: !function 'gavel_filter.text'" in written
    task = yaml.safe_load(written.replace("!function ", ""))
    assert (task["task"], task["doc_to_text"], task["doc_to_target"]) == ("mine_main", "{{prompt}}", "{{answer}}")
    data = task["dataset_kwargs"]["data_files"]["test"]
    assert data == str(tmp_path / "mine_main.jsonl")
    assert [json.loads(line) for line in open(data)] == DOCS
    assert [each["name"] for each in task["filter_list"]] == ["strict-match", "flexible-extract", "gavel"]
    spec = importlib.util.spec_from_file_location("gavel_filter", tmp_path / "gavel_filter.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (module.text, module.program) == (text, program)


def test_the_filter_gives_a_right_answer_as_the_gold_answer_is_written():
    found = text([["#### 7", "8"], ["It is \\boxed{13/3}"], ["none"]], DOCS)
    assert found == [["7", "8"], ["4.33"], ["[invalid]"]]
    programs = [["def solution():\n    return 3 + 4"], ["def solution():\n    return 1/4"], ["def solution(:"]]
    assert program(programs, DOCS) == [["7"], ["0.25"], ["[invalid]"]]


def test_the_name_of_a_model_s_folder():
    assert folder_of("/a b/c:d,e*") == "__a b__c__d,e__"
