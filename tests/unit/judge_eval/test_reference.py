"""The judge with the gold answer in its prompt: an upper bound in the calibration, and never a reward."""

import re

import pytest
import yaml

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl, write_jsonl
from gavel.common.paths import ROOT
from gavel.judge.backends.base import Backend, LabelProbabilities
from gavel.judge.single_token import SingleTokenJudge
from gavel.judge_eval import verdicts
from gavel.judge_eval.calibration import judge_report
from gavel.judge_eval.records import VerdictRow
from gavel.judge_eval.verdicts import judge_policy
from gavel.models import prompts
from gavel.models.loading import Student
from gavel.models.task import Task
from gavel.report.sections.judge import reference_table
from gavel.study import checks, resolve
from helpers.typed_rows import assert_typed

SHIPPED = yaml.safe_load((ROOT / "config/config.yaml").read_text())


class Compares(Backend):
    """Says Yes to a solution that is the gold answer, if the prompt has it, and cannot tell without it."""

    identity = "compares"

    def __init__(self):
        self.asked = []

    def answers(self, texts, groups):
        self.asked += texts
        return [self.answer(text) for text in texts]

    @staticmethod
    def answer(text):
        known = re.search(r"Right answer: (.*)\n", text)
        solution = re.search(r"Answer:\n(.*)\n", text)[1]
        return LabelProbabilities(*((0.5, 0.4) if not known else (0.9, 0.1) if known[1] == solution else (0.1, 0.9)))


def test_the_same_model_reads_the_gold_answer_of_each_question():
    backend = Compares()
    judge = SingleTokenJudge(backend, score="log-odds")
    bound = judge.with_reference("judge-reference", {"q1": "4", "q2": "{question}"})
    asked = (["q1", "q1", "q2"], ["4", "5", "{question}"])
    assert [round(one.probability, 2) for one in bound.verdicts(*asked)] == [0.9, 0.1, 0.9]
    assert [one.probability for one in judge.verdicts(*asked)] == pytest.approx([5 / 9] * 3)
    assert backend.asked[0] == "Question: q1\nRight answer: 4\nAnswer:\n4\nIs this answer right?"
    assert backend.asked[2].startswith("Question: q2\nRight answer: {question}\n")  # a value's slots stay as they are
    assert "Right answer" not in backend.asked[3]
    assert bound.usage.prompts == judge.usage.prompts == 3


def test_an_instructed_judge_keeps_its_labels():
    judge = SingleTokenJudge(Compares(), prompt="judge-instruct", labels=("Yes", "No"), swap_labels=True)
    first, second = judge.with_reference("judge-reference-instruct", {"q": "4"}).render("q", "5")
    assert "The right answer is 4." in first
    assert first.endswith("one word, Yes or No.") and second.endswith("one word, No or Yes.")


@pytest.mark.parametrize("kind", ["single-token", "pairwise"])
def test_a_prompt_that_needs_the_gold_answer_gives_no_reward(tmp_path, kind):
    own = tmp_path / "own.txt"
    own.write_text("{question} {reference} {solution} {first} {second}")
    judge = {"model": "resources/models/judges", "kind": kind, "prompting": {"prompt": str(own)}}
    with pytest.raises(
        InputError,
        match=r"judge.prompting.prompt: '.*own.txt' has a slot \{reference\} for the gold answer, .* name it",
    ):
        resolve.resolve(SHIPPED | {"judge": judge}, ROOT)


def test_the_key_takes_a_prompt_with_the_slot_for_a_single_token_judge():
    def resolved(**judge):
        return resolve.resolve(SHIPPED | {"judge": SHIPPED["judge"] | judge}, ROOT)["judge"]

    assert resolved(reference_prompt="judge-reference")["reference_prompt"] == "judge-reference"
    with pytest.raises(InputError, match=r"judge.reference_prompt: .*no slot \{reference\}"):
        resolved(reference_prompt="judge")
    with pytest.raises(InputError, match="judge.reference_prompt: prompt 'nowhere' is neither a file nor"):
        resolved(reference_prompt="nowhere")
    with pytest.raises(InputError, match="reference_prompt: is not for a pairwise judge"):
        resolved(kind="pairwise", model="resources/models/judges", reference_prompt="judge-reference")
    with pytest.raises(InputError, match="reference_prompt: is not for a simulated judge"):
        resolved(kind="simulated", reference_prompt="judge-reference")


def test_its_labels_are_checked_before_the_first_job(tiny, tmp_path):
    judge = {"model": tiny, "kind": "single-token", "prompt": "judge", "labels": [" Yes", " No"], "swap_labels": False}
    judge |= {"chat": False, "reasoning": None}
    arguments = {"student": {"model": tiny}, "solution": {"prompt": "solve"}}
    checks.check_tokenizers(judge=judge | {"reference_prompt": "judge-reference"}, **arguments)
    own = tmp_path / "own.txt"
    own.write_text(prompts.load("judge-reference") + " Y")
    with pytest.raises(InputError, match="is not one token after the prompt"):
        checks.check_tokenizers(judge=judge | {"labels": ["es", "o"], "reference_prompt": str(own)}, **arguments)


def test_the_calibration_has_both_and_the_report_calls_it_a_bound(tiny, rows, tmp_path, monkeypatch):
    monkeypatch.setattr(verdicts.load, "load", lambda **settings: SingleTokenJudge(Compares()))
    right = [place % 2 == 0 for place in range(12)]
    monkeypatch.setattr(verdicts, "verify", lambda texts, golds, *rest: (texts, right))
    monkeypatch.setattr(
        Compares, "answer", staticmethod(lambda text: LabelProbabilities(0.6 + 0.3 * ("Right answer" in text), 0.1))
    )
    problems, output = tmp_path / "problems.jsonl", tmp_path / "verdicts.jsonl"
    write_jsonl(problems, rows[:3])
    judge_policy(
        model=tiny,
        student=Student(tiny),
        task=Task("solve", "program", 8),
        judge_settings={},
        problems=[str(problems)],
        samples=4,
        temperature=1.0,
        output=str(output),
        reference_prompt="judge-reference",
    )
    found = list(read_jsonl(output))
    assert_typed(found, VerdictRow)
    assert [row["probability"] for row in found] == pytest.approx([0.6 / 0.7] * 12)
    assert [row["reference"]["probability"] for row in found] == pytest.approx([0.9] * 12)
    report = judge_report(found)
    assert report["mean_score"] < report["reference"]["mean_score"] == pytest.approx(0.9)
    assert report["reference"]["n"] == report["n"] and "histogram" not in report["reference"]
    table = reference_table(report)
    assert [column[0] for column in table.columns] == ["metric", "judge", "with the gold answer"]
    assert "upper bound" in table.columns[2][1]
    assert table.rows[0][0].text == "AUC within questions"
    assert reference_table({key: value for key, value in report.items() if key != "reference"}).rows == []


def test_another_kind_of_judge_is_refused(tiny, rows, tmp_path):
    problems = tmp_path / "problems.jsonl"
    write_jsonl(problems, rows[:2])
    with pytest.raises(InputError, match="judge.reference_prompt: only a single-token judge has one"):
        judge_policy(
            model=tiny,
            student=Student(tiny),
            task=Task("solve", "program", 8),
            judge_settings={"kind": "pairwise", "model": tiny, "labels": [" Yes", " No"]},
            problems=[str(problems)],
            samples=2,
            temperature=1.0,
            output=str(tmp_path / "out.jsonl"),
            reference_prompt="judge-reference",
        )
