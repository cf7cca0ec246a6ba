"""The examples on the pages of docs/explanation: every number is what Gavel's own functions give."""

import json
import re
import textwrap

import numpy as np
import pytest
import yaml

from gavel.common.paths import ROOT
from gavel.data.generator import perturbations, problems
from gavel.solutions.programs import to_program
from gavel.solutions.verifier import verify
from gavel.stats.advantages import advantages
from gavel.stats.auc import auc, auc_within, margins_within
from gavel.stats.intervals import holm, mcnemar, paired_bootstrap, wilson
from gavel.study.cost.sizes import size_of
from gavel.training.rl.rewards import mix, verifiable_reward

EXPLANATION = ROOT / "docs" / "explanation"
LAMBDA = 0.5


def tables(page: str) -> list[list[list[str]]]:
    """The cells of a page's tables, without their head."""
    text = (EXPLANATION / page).read_text()
    found = re.findall(r"^\|[-|]+\|\n((?:\|.*\|\n)+)", text, re.MULTILINE)
    return [[[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()] for table in found]


def number(cell: str) -> float | None:
    return None if cell == "–" else float(cell)


@pytest.mark.parametrize(("table", "gold"), [(0, "72"), (1, None)])
def test_the_rewards_of_the_example_are_computed(table, gold):
    rows = tables("rewards.md")[table]
    texts = [row[0].strip("`") for row in rows]
    verifiable, judge, reward, advantage = ([number(row[column]) for row in rows] for column in range(1, 5))
    assert len(rows) == 4
    if gold is not None:
        answers, correct = verify(texts, [gold] * len(texts), "text")
        made = [verifiable_reward(answer, right) for answer, right in zip(answers, correct, strict=True)]
        assert verifiable == made
    made = [mix(value, score, LAMBDA, gold is not None) for value, score in zip(verifiable, judge, strict=True)]
    assert reward == pytest.approx(made)
    assert advantage == pytest.approx(advantages(np.zeros(4), np.array(reward)))


def test_the_judge_s_favourite_of_the_unlabelled_question_is_wrong():
    rows = tables("rewards.md")[1]
    texts = [row[0].strip("`") for row in rows]
    _, correct = verify(texts, ["27"] * 4, "text")
    assert correct == [True, True, False, False]
    assert max(rows, key=lambda row: float(row[2])) is rows[2]


@pytest.mark.parametrize("judge", [0, 1])
def test_the_metrics_of_the_two_judges_are_computed(judge):
    rows, metrics = tables("auc-within-questions.md")
    questions = [row[0] for row in rows]
    correct = [row[1] == "correct" for row in rows]
    scores = [float(row[2 + judge]) for row in rows]
    accepted = [score > 0.5 for score in scores]
    found = [
        auc(scores, correct),
        np.mean([one == right for one, right in zip(accepted, correct, strict=True)]),
        np.mean(auc_within(questions, scores, correct)),
        np.mean(margins_within(questions, scores, correct)),
    ]
    assert [float(row[1 + judge]) for row in metrics] == pytest.approx(found)
    assert (np.abs(advantages(np.array(questions), np.array(scores))).max() < 1e-12) == (judge == 0)


def runs(only_a: int, only_b: int) -> tuple[list[int], list[int]]:
    """Which of 1,000 questions run A and run B solve; A solves 780, B 760."""
    both = 780 - only_a
    neither = 1000 - only_a - only_b - both
    return [1] * (only_a + both) + [0] * (only_b + neither), [0] * only_a + [1] * (both + only_b) + [0] * neither


def test_the_example_of_a_paired_comparison_is_computed():
    (_, *correct), (_, *intervals) = tables("statistics.md")[0]
    a, b = runs(35, 15)
    assert correct == [str(sum(a)), str(sum(b)), f"{sum(a) - sum(b):+}"]
    shown = [f"{100 * low:.1f} to {100 * high:.1f}" for low, high in (wilson(sum(a), 1000), wilson(sum(b), 1000))]
    effect = paired_bootstrap(a, b, resamples=10_000)
    assert intervals == [*shown, f"{100 * effect.low:+.1f} to {100 * effect.high:+.1f}"]
    text = (EXPLANATION / "statistics.md").read_text()
    assert f"p = {mcnemar(35, 15):.3f}" in text and f"p would be {mcnemar(160, 140):.2f}" in text
    assert sum(runs(160, 140)[0]) == 780 and sum(runs(160, 140)[1]) == 760


def test_the_example_of_holm_s_correction_is_computed():
    text = " ".join((EXPLANATION / "statistics.md").read_text().split())
    assert "the p-values 0.01, 0.02 and 0.04 become 0.03, 0.04 and 0.04" in text
    assert holm([0.01, 0.02, 0.04]) == pytest.approx([0.03, 0.04, 0.04])


def test_the_question_of_the_toy_world_is_from_the_default_study_s_test_set():
    text = (EXPLANATION / "toy-world.md").read_text()
    source = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())["data"]["tests"]["main"]
    (_, row), *_ = problems.generate(source["set"], source["size"], source["seed"], "test")
    quoted = " ".join(line.removeprefix("> ") for line in text.splitlines() if line.startswith("> "))
    assert quoted == row["question"]
    assert textwrap.indent(to_program(row["solution"], row["gold"], row["question"]), " " * 4) in text


def test_the_numbers_of_the_toy_world_are_those_of_the_code():
    text = (EXPLANATION / "toy-world.md").read_text()
    for name in ("student", "judge", "judges", "two-bit-judge"):
        assert f"{size_of(str(ROOT / 'resources' / 'models' / name), 'judge.model').parameters:,}" in text
    student, judge = (
        json.loads((ROOT / "resources" / "models" / name / "gavel.json").read_text())["recipe"]
        for name in ("student", "judge")
    )
    assert (student["steps"], student["corrupted_fraction"]) == (400, 0.25)
    assert (judge["steps"], judge["questions"], judge["layers"], judge["heads"], judge["width"]) == (
        1200, 4000, 4, 4, 128,
    )  # fmt: skip
    assert (len(perturbations.KINDS), len(perturbations.UNSEEN)) == (8, 5)
