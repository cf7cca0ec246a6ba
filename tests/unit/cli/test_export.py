"""`gavel export`: a run's test samples as lm-evaluation-harness writes its own, and read back."""

import json
from collections import defaultdict

import pytest
import yaml

from gavel.cli.main import main
from gavel.common.files import read_json, read_jsonl, write_jsonl
from gavel.models import prompts
from helpers.chat_student import BOS, END, chat_student

RUN = "grpo-lambda0.5-seed0"


def configure(folder, config, **sections):
    """Write the study's config with its one test set, and changes of sections."""
    study = config | {"data": config["data"] | {"tests": {"main": config["data"]["tests"]["main"]}}}
    study |= {key: study[key] | values for key, values in sections.items()}
    (folder / "config.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(study, default=list))))


@pytest.fixture
def results(study):
    configure(*study)
    return study[0]


def exported(results, *options, run=RUN):
    """The results file, and task -> rows of its sample log."""
    assert main(["export", str(results), run, "--lm-eval", *options]) == 0
    (path,) = (results / "lm_eval" / f"tiny__{run}").glob("results_*.json")
    found = read_json(path)
    time = path.name.removeprefix("results_").removesuffix(".json")
    return found, {name: path.parent / f"samples_{name}_{time}.jsonl" for name in found["results"]}


def own(results):
    """Question -> the study's rows, the greedy one first."""
    rows = defaultdict(list)
    for row in read_jsonl(results / f"evaluation/{RUN}/main/samples.jsonl"):
        rows[row["id"]].append(row)
    return rows


def test_the_export_is_scored_as_the_study_s_samples_are(results, tmp_path, capsys):
    _, logs = exported(results)
    assert list(logs) == ["tiny_main", "tiny_main_sampled"]
    for name, chosen in (("tiny_main", slice(0, 1)), ("tiny_main_sampled", slice(1, None))):
        details = tmp_path / f"{name}.jsonl"
        arguments = ("--format", "program", "--layout", "lm-eval", "--json", "--details", str(details))
        capsys.readouterr()
        assert main(["score", str(logs[name]), *arguments]) == 0
        assert json.loads(capsys.readouterr().out)["n"] == 30
        verdicts = [row["correct"] for row in read_jsonl(details)]
        assert verdicts == [[row["correct"] for row in rows[chosen]] for rows in own(results).values()]


@pytest.mark.parametrize("append", [False, True])
def test_the_rows_have_the_student_s_prompts_and_responses(results, append):
    found, logs = exported(results, *(["--append-answers"] if append else []))
    rows = list(read_jsonl(logs["tiny_main"]))
    greedy = [rows[0] for rows in own(results).values()]
    for row, mine in zip(rows[:30], greedy, strict=True):
        assert row["doc"]["prompt"] == prompts.fill(prompts.load("solve"), question=mine["question"])
        below = f"\n#### {mine['answer']}" if append and mine["answer"] else ""
        assert row["resps"] == [[mine["response"] + below]]
        assert (row["target"], row["doc"]["id"]) == (mine["gold"], mine["id"])
    accuracy = sum(row["correct"] for row in greedy) / 30
    metrics = found["results"]["tiny_main"]
    assert metrics["exact_match,gavel"] == pytest.approx(accuracy)
    assert metrics["exact_match,strict-match"] == (pytest.approx(accuracy) if append else 0.0)
    sampled = list(read_jsonl(logs["tiny_main_sampled"]))
    assert all(len(row["resps"][0]) == 2 for row in sampled)
    assert sampled[0]["arguments"]["gen_args_0"]["arg_1"]["temperature"] == 0.7
    assert found["config"]["model_args"]["pretrained"] == str(results / f"runs/{RUN}/final")


def test_a_program_that_did_not_run_has_no_row_of_gavel_s(results):
    path = results / f"evaluation/{RUN}/main/samples.jsonl"
    rows = [row | ({"correct": None, "answer": None} if row["id"] == "main-3" else {}) for row in read_jsonl(path)]
    write_jsonl(path, rows)
    _, logs = exported(results)
    filters = [row["filter"] for row in read_jsonl(logs["tiny_main"]) if row["doc_id"] == 3]
    assert filters == ["strict-match", "flexible-extract"]


def test_the_console_says_what_the_filters_read(results, capsys):
    exported(results)
    said = capsys.readouterr().out
    assert "--append-answers adds it" in said and "open " in said
    exported_again = ["export", str(results), RUN, "--lm-eval", "--append-answers", "--out", str(results / "other")]
    assert main(exported_again) == 0
    said = capsys.readouterr().out
    assert "programs" not in said
    values = [line.split()[2] for line in said.splitlines() if line.startswith("tiny_main ")]
    assert len(values) == 3 and len(set(values)) == 1


def test_with_a_chat_template_the_prompts_are_rendered_and_end_at_its_token(study, tiny, tmp_path):
    folder, config = study
    configure(folder, config, solution={"format": "text", "prompt": "solve", "chat": True})
    chat_student(tiny, folder / f"runs/{RUN}/final")
    found, logs = exported(folder)
    row = next(read_jsonl(logs["tiny_main"]))
    assert row["doc"]["prompt"].startswith(f"{BOS}<|im_start|>user\nQuestion: Anna has")
    assert row["arguments"]["gen_args_0"]["arg_1"]["until"] == [END]
    assert found["config"]["model_args"]["add_bos_token"] is False


def refusal(capsys, *arguments):
    assert main(["export", *map(str, arguments)]) == 2
    return capsys.readouterr().err


def test_what_cannot_be_exported_is_refused(study, results, tmp_path, capsys):
    assert "no run 'sfft'; choose from sft, grpo-lambda0.5-seed0" in refusal(capsys, results, "sfft", "--lm-eval")
    assert "name the results folder of a finished study" in refusal(capsys, tmp_path / "none", RUN, "--lm-eval")
    (tmp_path / "file").touch()
    assert "name another folder" in refusal(capsys, results, RUN, "--lm-eval", "--out", tmp_path / "file" / "x")
    configure(*study, solution={"format": "text"})
    assert "--append-answers: the responses" in refusal(capsys, results, RUN, "--lm-eval", "--append-answers")
    configure(*study, data={"answer_type": "choice"})
    assert "data.answer_type is 'choice'" in refusal(capsys, results, RUN, "--lm-eval")
    configure(*study)
    (results / f"evaluation/{RUN}/main/samples.jsonl").unlink()
    assert "samples.jsonl: no such file; the run is not evaluated" in refusal(capsys, results, RUN, "--lm-eval")


def test_the_tool_must_be_named(results, capsys):
    with pytest.raises(SystemExit):
        main(["export", str(results), RUN])
    assert "--lm-eval" in capsys.readouterr().err


@pytest.mark.parametrize("kept", [0, 4])
def test_questions_without_samples_are_in_the_greedy_log_alone(results, kept):
    path = results / f"evaluation/{RUN}/main/samples.jsonl"
    sampled = set(list(own(results))[:kept])
    write_jsonl(path, [row for row in read_jsonl(path) if row["sample"] < 0 or row["id"] in sampled])
    _, logs = exported(results)
    assert list(logs) == ["tiny_main", "tiny_main_sampled"][: 1 + bool(kept)]
    asked = {name: {row["doc"]["id"] for row in read_jsonl(log)} for name, log in logs.items()}
    assert len(asked["tiny_main"]) == 30
    assert not kept or asked["tiny_main_sampled"] == sampled
