"""A self-taught judge's material: pairs that need no label, judgments in both orders, what is kept of them."""

import random
from collections import Counter

import pytest

from gavel.judge.backends.base import InProcessBackend, LabelProbabilities
from gavel.judge.backends.reasoning import Reasoning
from gavel.judge.pairwise import PairwiseJudge
from gavel.solutions.choice_answers import with_options
from gavel.solutions.verifier import solutions_to_answers
from gavel.training.judge import unlabeled_pairs
from gavel.training.judge.judgments import balance_labels, both_orders, dpo_examples, sample_judgments, sft_examples
from gavel.training.judge.records import ContrastingPair
from helpers.typed_rows import assert_typed

PROGRAM = "def solution():\n    a = {}+{}\n    result = a*2\n    return result"


def program(a, b):
    return PROGRAM.format(a, b)


ROWS = [{"id": f"q{i}", "question": f"Ann has {i} and {i + 3} coins and doubles them."} for i in range(4)]


def samples(answers):
    return [(f"text {place} {answer}", answer) for place, answer in enumerate(answers)]


def test_questions_are_challenging_where_samples_neither_agree_nor_scatter():
    found = unlabeled_pairs.challenging_questions(
        {
            "agree": samples(["4"] * 8),
            "most": samples(["4"] * 5 + ["5", "6", None]),
            "tie": samples(["4"] * 4 + ["5"] * 4),
            "scatter": samples(list("123456") + ["7", "7"]),
            "silent": samples([None] * 8),
        },
        0.3,
        0.95,
    )
    assert found == {"most": "4"}


def test_a_changed_question_has_one_other_number():
    rng = random.Random(0)
    for _ in range(50):
        question = unlabeled_pairs.change_number("Ann buys 12 pens at 1.50 and 3 books, 1,200 in all.", rng)
        words = zip(question.split(), "Ann buys 12 pens at 1.50 and 3 books, 1,200 in all.".split(), strict=True)
        different = [(new, old) for new, old in words if new != old]
        assert len(different) == 1 and different[0][1] in ("12", "3") and int(different[0][0]) > 0
    assert unlabeled_pairs.change_number("How many are there?", rng) is None


def test_the_better_solution_agrees_with_most_and_the_worse_does_not():
    """Answers are run, so a changed question whose answer is the same after all gives no pair."""
    drawn = {
        row["id"]: [
            (text, solutions_to_answers([text], "program")[0]) for text in [program(i, i + 3)] * 5 + [program(1, 9)]
        ]
        for i, row in enumerate(ROWS)
    }
    asked = []

    def answer_to(questions):
        asked.extend(questions)
        return [program(0, 3)] * len(questions)  # which is right for the first

    pairs = unlabeled_pairs.contrasting_pairs(
        ROWS,
        drawn,
        answer_to,
        negatives=["changed-question", "injected-error"],
        low=0.3,
        high=0.95,
        solution_format="program",
        seed=0,
    )
    assert len(asked) == 4 and not set(asked) & {row["question"] for row in ROWS}
    assert_typed(pairs, ContrastingPair)
    ways = Counter(pair["subset"] for pair in pairs)
    assert ways["changed-question"] == 3 and "q0-changed-question" not in {pair["id"] for pair in pairs}
    assert 1 <= ways["injected-error"] <= 4
    for pair in pairs:
        place = int(pair["id"][1])
        better, worse = solutions_to_answers([pair["chosen"], pair["rejected"]], "program")
        assert better == str(2 * (2 * place + 3)) != worse
        assert pair["prompt"] == ROWS[place]["question"]


def test_the_worse_solution_of_a_choice_has_another_letter_that_was_offered():
    row = {"id": "q0", "question": with_options("What do plants take up?", ["oxygen", "carbon dioxide", "light"])}
    texts = ["Plants make oxygen.\nThe answer is (B).", "Answer: B", "Answer: b", "Answer: C"]
    drawn = {"q0": list(zip(texts, solutions_to_answers(texts, "text", "choice"), strict=True))}
    (pair,) = unlabeled_pairs.contrasting_pairs(
        [row],
        drawn,
        lambda questions: [],
        negatives=["injected-error"],
        low=0.3,
        high=0.95,
        solution_format="text",
        seed=0,
        answer_type="choice",
    )
    better, worse = solutions_to_answers([pair["chosen"], pair["rejected"]], "text", "choice")
    assert better == "B" and worse in ("A", "C")


class Writer(InProcessBackend):
    """Writes what it is seeded to, and prefers whatever stands first with 0.75."""

    chat, identity = False, "w"

    def write(self, texts, *, n, seed, temperature, **settings):
        self.settings = {"n": n, "seed": seed, "temperature": temperature}
        return [[f"thought {place % 2}" for place in range(n)] for _ in texts]

    def apply_template(self, text):
        return text

    def answers(self, texts, groups):
        self.asked = texts
        return [LabelProbabilities(0.75, 0.25) for _ in texts]


PAIRS = [
    {"id": str(i), "prompt": f"{i}?", "chosen": "right", "rejected": "wrong", "subset": "injected-error"}
    for i in range(200)
]


def test_judgments_are_drawn_in_both_orders():
    judge = PairwiseJudge(Reasoning(Writer()), prompt="pairwise-reasoning", reasons=True)
    first, second, *_ = both_orders(judge, PAIRS)
    assert "Answer A:\nright\nAnswer B:\nwrong" in first.prompt and first.label == " A"
    assert "Answer A:\nwrong\nAnswer B:\nright" in second.prompt and second.label == " B"
    rows = sample_judgments(judge, PAIRS, samples=4, temperature=0.7, seed=3)
    assert judge.in_process_backend.settings == {"n": 4, "seed": 3, "temperature": 0.7}
    assert len(rows) == 200 * 2 * 4 and len(judge.in_process_backend.asked) == 200 * 2 * 2, "equal reasonings once"
    assert {row["judgment"] for row in rows} == {
        f"thought {i}\nThe better answer is answer {label}" for i in "01" for label in "AB"
    }
    # It says A three times in four, which reaches the better solution where that stands first.
    for label, expected in ((" A", 0.75), (" B", 0.25)):
        own = [row["reached"] for row in rows if row["label"] == label]
        assert sum(own) / len(own) == pytest.approx(expected, abs=0.05)


def test_what_is_kept_reaches_the_better_solution_and_favours_no_place():
    rows = sample_judgments(
        PairwiseJudge(Reasoning(Writer()), prompt="pairwise-reasoning", reasons=True),
        PAIRS,
        samples=4,
        temperature=0.7,
        seed=3,
    )
    kept = sft_examples(rows, 0)
    labels = Counter(row["completion"][-1] for row in kept)
    assert labels["A"] == labels["B"] > 30
    reached = {(row["prompt"], row["judgment"]) for row in rows if row["reached"]}
    assert {(row["prompt"], row["completion"]) for row in kept} <= reached
    assert len({(row["prompt"], row["completion"]) for row in kept}) == len(kept)

    preferred = dpo_examples(rows, 0)
    missed = {(row["prompt"], row["judgment"]) for row in rows if not row["reached"]}
    assert all((row["prompt"], row["chosen"]) in reached for row in preferred)
    assert all((row["prompt"], row["rejected"]) in missed for row in preferred)
    labels = Counter(row["chosen"][-1] for row in preferred)
    assert labels["A"] == labels["B"] > 30


def test_one_label_alone_teaches_nothing():
    assert balance_labels([{"label": " A"}] * 5, 0) == []
    both = balance_labels([{"label": " A", "n": n} for n in range(5)] + [{"label": " B", "n": 9}], 1)
    assert sorted(row["label"] for row in both) == [" A", " B"]


def test_a_judge_that_answers_at_once_is_sampled_by_its_label():
    rows = sample_judgments(PairwiseJudge(Writer()), PAIRS[:20], samples=3, temperature=0.7, seed=0)
    assert {row["judgment"] for row in rows} == {" A", " B"} and len(rows) == 120
