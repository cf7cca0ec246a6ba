"""`gavel judge`: the contract's keys, its agreement with the library, and what bad input gets."""

import json

import pytest
import yaml

from gavel.cli.main import main
from gavel.common.paths import ROOT
from gavel.judge import load
from gavel.judge.verdict import Judge, Verdict
from gavel.stats.auc import auc
from helpers.judge_scores import scores_of


@pytest.fixture
def file(tmp_path, rows):
    path = tmp_path / "judged.jsonl"
    lines = []
    for row in rows[:10]:
        other = row["program"].replace("+", "-", 1)
        for response, correct in ((row["program"], True), (other, other == row["program"])):
            lines.append({"question": row["question"], "response": response, "correct": correct})
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    return path


def test_figures_are_those_of_the_library(file, tiny, capsys):
    assert main(["judge", str(file), "--judge", tiny, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    within = "auc_within auc_within_ci95 auc_within_questions margin_within margin_within_ci95"
    rates = "tpr tpr_ci95 fpr fpr_ci95 youden_j youden_j_ci95"
    wanted = f"n accuracy accuracy_ci95 {rates} auc {within} ece off_label_mass solutions_per_second"
    assert list(found) == wanted.split()
    lines = [json.loads(line) for line in file.open()]
    scores = scores_of(load.load(model=tiny), [r["question"] for r in lines], [r["response"] for r in lines])
    assert found["n"] == 20
    assert found["auc"] == pytest.approx(auc(scores, [r["correct"] for r in lines]), abs=1e-6)
    assert found["solutions_per_second"] > 0


def test_details_have_the_score_of_every_row(file, tiny, tmp_path, capsys):
    out = tmp_path / "scores.jsonl"
    assert main(["judge", str(file), "--judge", tiny, "--details", str(out)]) == 0
    given, found = ([json.loads(line) for line in path.open()] for path in (file, out))
    assert [row["row"] for row in found] == list(range(20))
    assert [row["correct"] for row in found] == [row["correct"] for row in given]
    scores = scores_of(load.load(model=tiny), [r["question"] for r in given], [r["response"] for r in given])
    assert [row["probability"] for row in found] == pytest.approx(scores, abs=1e-6)
    assert len(set(scores)) > 10 and all(0 <= row["off_label_mass"] <= 1 for row in found)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("judged.jsonl", [], "would overwrite the responses"),
        ("none/scores.jsonl", [], "does not exist; create it first"),
        ("scores.jsonl", ["--layout", "rewardbench"], "use `rows` or `unlabeled`"),
    ],
)
def test_details_that_cannot_be_written_are_found_before_the_judge_is_asked(
    file, tmp_path, capsys, monkeypatch, name, options, message
):
    monkeypatch.setattr(load, "load", lambda **settings: pytest.fail("the judge was loaded"))
    assert main(["judge", str(file), "--judge", "x", "--details", str(tmp_path / name), *options]) == 2
    assert message in capsys.readouterr().err


def test_responses_without_labels_are_scored(file, tiny, tmp_path, capsys):
    given = [json.loads(line) for line in file.open()]
    bare, out = tmp_path / "bare.jsonl", tmp_path / "scores.jsonl"
    bare.write_text("".join(json.dumps({key: row[key] for key in ("question", "response")}) + "\n" for row in given))
    options = ["--judge", tiny, "--layout", "unlabeled", "--details", str(out), "--json"]
    assert main(["judge", str(bare), *options]) == 0
    found, details = json.loads(capsys.readouterr().out), [json.loads(line) for line in out.open()]
    scores = scores_of(load.load(model=tiny), [row["question"] for row in given], [row["response"] for row in given])
    assert [row["probability"] for row in details] == pytest.approx(scores, abs=1e-6)
    assert {row["correct"] for row in details} == {None}
    assert found["mean_probability"] == pytest.approx(sum(scores) / 20, abs=1e-6)
    assert found["accepted"] == sum(score > 0.5 for score in scores) / 20
    assert list(found) == ["n", "mean_probability", "accepted", "off_label_mass", "solutions_per_second"]
    assert main(["judge", str(bare), "--judge", tiny]) == 2
    assert "rows without it need `--layout unlabeled`" in capsys.readouterr().err
    assert main(["judge", str(bare), "--judge", tiny, "--layout", "unlabeled", "--exit-code"]) == 2
    assert "need several labelled responses" in capsys.readouterr().err


def test_a_judge_that_answers_on_no_unlabelled_row_is_one_line(file, tiny, capsys, monkeypatch):
    class Silent:
        def verdicts(self, questions, solutions):
            return [Verdict(None)] * len(questions)

        usage = load.load(model=tiny).usage

    monkeypatch.setattr(load, "load", lambda **settings: Silent())
    assert main(["judge", str(file), "--judge", tiny, "--layout", "unlabeled"]) == 2
    assert "the judge answered on no row" in capsys.readouterr().err


def test_a_studys_config_names_its_judge(file, tiny, tmp_path, capsys):
    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    raw["judge"] = {"model": tiny, "prompting": {"labels": [" No", " Yes"]}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(raw))
    assert main(["judge", str(file), "--judge", str(tmp_path / "study.yaml"), "--json"]) == 0
    swapped = json.loads(capsys.readouterr().out)["auc"]
    main(["judge", str(file), "--judge", tiny, "--json"])
    assert swapped == pytest.approx(1 - json.loads(capsys.readouterr().out)["auc"], abs=1e-6)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"question": "q", "response": "r"}', "'correct' must be true or false, found no such key"),
        ('{"question": "q", "response": ["r"], "correct": true}', "'response' must be text"),
        ("{", "not valid JSON"),
        (r'{"question": "\ud800", "response": "r", "correct": true}', "invalid Unicode: lone surrogate"),
        ("", "no rows"),
    ],
)
def test_bad_rows_are_named(tmp_path, tiny, capsys, line, message):
    path = tmp_path / "bad.jsonl"
    path.write_text(line + "\n")
    assert main(["judge", str(path), "--judge", tiny]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f"gavel: {path}:1: ")
    assert message in error


def test_a_bad_last_row_is_found_before_the_judge_is_asked(file, tiny, tmp_path, capsys, monkeypatch):
    path = tmp_path / "late.jsonl"
    path.write_text(file.read_text() + '{"question": "q", "response": "r"}\n')
    monkeypatch.setattr(load, "load", lambda **settings: pytest.fail("the judge was loaded"))
    assert main(["judge", str(path), "--judge", tiny]) == 2
    assert f"late.jsonl:{len(path.read_text().splitlines())}: 'correct' must be" in capsys.readouterr().err


def test_a_studys_judge_that_is_yet_to_be_trained_is_said_to_be(file, tiny, tmp_path, capsys):
    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    raw["judge"] = {"model": tiny, "kind": "pairwise", "prompting": {"labels": [" No", " Yes"]}, "rl": {}}
    raw["results_dir"] = str(tmp_path / "results")
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(raw))
    assert main(["judge", str(file), "--judge", str(tmp_path / "study.yaml")]) == 2
    error = capsys.readouterr().err
    assert "study.yaml trains its judge" in error and f"the model that training starts from: {tiny}" in error


def test_a_judge_that_is_not_there_is_named(file, capsys):
    assert main(["judge", str(file), "--judge", "./nowhere"]) == 2
    assert "--judge: no such file or folder" in capsys.readouterr().err


def test_bad_rows_can_be_left_out_and_are_counted(file, tiny, capsys):
    with file.open("a") as handle:
        handle.write('{"question": "q", "response": "r"}\n')
    assert main(["judge", str(file), "--judge", tiny, "--json", "--skip-bad"]) == 0
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert (found["n"], found["skipped"]) == (20, 1)
    assert "judged.jsonl:21: 'correct' must be true or false" in shown.err


def test_a_misspelt_folder_is_not_taken_for_a_hub_name(file, tmp_path, monkeypatch, capsys):
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["judge", str(file), "--judge", "models/jugde"]) == 2
    assert "--judge: no such file or folder: models/jugde" in capsys.readouterr().err


def test_a_sweep_has_several_judges_and_says_so(file, capsys):
    assert main(["judge", str(file), "--judge", "config/judges.yaml"]) == 2
    err = capsys.readouterr().err
    assert "config/judges.yaml: expected a single study, found a sweep" in err
    assert "results/judges/<variant>/config.yaml (variants: single, reasoning, votes" in err


def test_a_judge_that_answers_nothing_gives_one_line(file, tmp_path, capsys):
    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    raw["judge"] = {"model": "m", "server": {"base_url": "http://127.0.0.1:9/v1", "retries": 0}, "cache": False}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(raw))
    assert main(["judge", str(file), "--judge", str(tmp_path / "study.yaml")]) == 2
    assert "the judge gave no answer on any solution" in capsys.readouterr().err


@pytest.fixture
def ranked(tmp_path):
    """Questions with a right and a wrong response each."""
    path = tmp_path / "ranked.jsonl"
    lines = [
        {"question": f"What is {number} + 1?", "response": f"{number + right}", "correct": bool(right)}
        for number in range(20)
        for right in (1, 0)
    ]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    return path


class Oracle(Judge):
    """Is right with all but every fifth question, or always wrong."""

    def __init__(self, wrong=False):
        super().__init__()
        self.wrong = wrong

    def verdicts(self, questions, solutions):
        pairs = zip(questions, solutions, strict=True)
        return [Verdict(self._score(int(question.split()[2]), int(text)), 0.0) for question, text in pairs]

    def _score(self, number, answer):
        right = (answer == number + 1) != self.wrong
        return 0.9 if right != (number % 5 == 0 and not self.wrong) else 0.2


@pytest.mark.parametrize(
    ("judge", "options", "status", "answer"),
    [
        (Oracle(), ("--min-auc", "0.5"), 0, "yes"),
        (Oracle(), ("--min-auc", "0.9"), 4, "unclear"),
        (Oracle(wrong=True), (), 3, "no"),
    ],
)
def test_it_says_whether_the_judge_is_good_enough(ranked, tiny, capsys, monkeypatch, judge, options, status, answer):
    monkeypatch.setattr(load, "load", lambda **settings: judge)
    assert main(["judge", str(ranked), "--judge", tiny, "--exit-code", *options]) == status
    shown = capsys.readouterr().out
    assert f"Good enough to train on: {answer}. Its AUC within questions is" in shown
    assert "Next: " in shown
    assert "GRPO without labels changed the accuracy of a tiny student, in percentage points, by" in shown
    assert main(["judge", str(ranked), "--judge", tiny, *options]) == 0
    capsys.readouterr()
    main(["judge", str(ranked), "--judge", tiny, "--json", "--exit-code", *options])
    assert json.loads(capsys.readouterr().out)["decision"]["answer"] == answer


def test_the_minimum_is_the_studys(ranked, tiny, tmp_path, capsys, monkeypatch):
    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    raw["judge"] = {"model": tiny, "prompting": {"labels": [" No", " Yes"]}, "min_within_auc": 0.45}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(raw))
    monkeypatch.setattr(load, "load", lambda **settings: Oracle())
    assert main(["judge", str(ranked), "--judge", str(tmp_path / "study.yaml")]) == 0
    assert "at least 0.45" in capsys.readouterr().out


@pytest.mark.parametrize("value", ["1.5", "much"])
def test_a_minimum_that_is_no_fraction_is_refused(ranked, tiny, capsys, value):
    with pytest.raises(SystemExit):
        main(["judge", str(ranked), "--judge", tiny, "--min-auc", value])
    assert "--min-auc" in capsys.readouterr().err


def test_pairs_have_no_answer_and_say_so(ranked, tiny, capsys):
    assert main(["judge", str(ranked), "--judge", tiny, "--layout", "rewardbench", "--exit-code"]) == 2
    assert "--min-auc and --exit-code need several labelled responses to a question" in capsys.readouterr().err
