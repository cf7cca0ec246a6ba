"""The single-token judge: its probability, its labels, and that batching changes nothing."""

import pytest
import torch

from gavel import judge
from gavel.errors import InputError
from gavel.judge.single_token import SingleTokenJudge, label_token
from gavel.prefixes import next_token_probabilities


@pytest.fixture
def single(tiny):
    return SingleTokenJudge(model=tiny)


def pairs(rows):
    return [row["question"] for row in rows[:12]], [row["program"] for row in rows[:12]]


def test_the_score_is_the_renormalised_probability_of_yes(single, rows):
    questions, solutions = pairs(rows)
    verdict = single.verdicts(questions[:1], solutions[:1])[0]
    prompt = single.render(questions[0], solutions[0])
    with torch.no_grad():
        logits = single.model(**single.tokenizer(prompt, return_tensors="pt")).logits[0, -1]
    p = torch.softmax(logits.double(), -1)
    yes, no = (p[single.tokenizer(word)["input_ids"][0]].item() for word in (" Yes", " No"))
    assert verdict.score == pytest.approx(yes / (yes + no), rel=1e-5)
    assert verdict.off_label == pytest.approx(1 - yes - no, rel=1e-5)


def test_scores_do_not_depend_on_batches_or_order(single, tiny, rows):
    questions, solutions = pairs(rows)
    whole = judge.score(single, questions, solutions)
    small = judge.score(SingleTokenJudge(model=tiny, batch_tokens=1), questions, solutions)
    back = judge.score(single, questions[::-1], solutions[::-1])[::-1]
    assert small == pytest.approx(whole, abs=1e-5)
    assert back == pytest.approx(whole, abs=1e-5)


def test_equal_pairs_are_asked_once(single, rows, monkeypatch):
    asked = []

    def counted(model, prompts, *args, **options):
        asked.extend(prompts)
        return next_token_probabilities(model, prompts, *args, **options)

    monkeypatch.setattr("gavel.judge.single_token.next_token_probabilities", counted)
    question, solution = rows[0]["question"], rows[0]["program"]
    scores = judge.score(single, [question] * 5, [solution] * 5)
    assert len(asked) == 1
    assert len(set(scores)) == 1


def test_sharing_questions_changes_no_score(single, tiny, rows):
    questions = [row["question"] for row in rows[:4] for _ in range(5)]
    solutions = [row["program"].replace("0", str(i)) for row in rows[:4] for i in range(5)]
    alone = SingleTokenJudge(model=tiny, reuse=False)
    assert judge.score(single, questions, solutions) == pytest.approx(
        judge.score(alone, questions, solutions), abs=1e-5
    )


def test_truncation_keeps_the_end_and_is_counted(tiny, rows):
    short = SingleTokenJudge(model=tiny, max_tokens=12)
    verdict = short.verdicts([rows[0]["question"]], [rows[0]["program"]])[0]
    assert verdict.truncated
    tail = short.tokenizer(short.render(rows[0]["question"], rows[0]["program"]))["input_ids"][-12:]
    with torch.no_grad():
        logits = short.model(torch.tensor([tail])).logits[0, -1].double()
    right, wrong = torch.softmax(logits, -1)[short.labels].tolist()
    assert verdict.score == pytest.approx(right / (right + wrong), rel=1e-5)


@pytest.mark.parametrize("label", [" Absolutely", "", "Yes no"])
def test_a_label_that_is_not_one_token_shows_its_pieces(tokenizer, label):
    with pytest.raises(InputError, match=r"is not one token after the prompt \(it becomes \["):
        label_token(tokenizer, "Is this answer right?", label)


def test_equal_labels_are_refused(tiny):
    with pytest.raises(InputError, match="are the same token"):
        SingleTokenJudge(model=tiny, labels=(" Yes", " Yes"))


def test_an_unknown_kind_lists_the_known_ones():
    with pytest.raises(InputError, match="'oracle' does not exist; choose one of single-token"):
        judge.load(kind="oracle")
