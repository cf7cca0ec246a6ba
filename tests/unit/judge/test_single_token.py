"""The single-token judge: its probability, its labels, and that batching changes nothing."""

import math

import pytest
import torch

from gavel.common.errors import InputError
from gavel.judge import load
from gavel.judge.backends import local
from gavel.judge.backends.base import Backend, LabelProbabilities
from gavel.judge.load import load as make
from gavel.judge.pairwise import PairwiseJudge
from gavel.judge.prompting import label_tokens
from gavel.judge.single_token import LOG_ODDS_LIMIT, SCORES, SingleTokenJudge
from gavel.models import loading
from gavel.models.prefixes import next_token_probabilities
from helpers.judge_scores import scores_of


@pytest.fixture
def single(tiny):
    return make(model=tiny)


def pairs(rows):
    return [row["question"] for row in rows[:12]], [row["program"] for row in rows[:12]]


def test_the_score_is_the_renormalised_probability_of_yes(single, rows):
    questions, solutions = pairs(rows)
    verdict = single.verdicts(questions[:1], solutions[:1])[0]
    (prompt,) = single.render(questions[0], solutions[0])
    with torch.no_grad():
        logits = single.backend.model(**single.backend.tokenizer(prompt, return_tensors="pt")).logits[0, -1]
    p = torch.softmax(logits.double(), -1)
    yes, no = (p[single.backend.tokenizer(word)["input_ids"][0]].item() for word in (" Yes", " No"))
    assert verdict.score == pytest.approx(yes / (yes + no), rel=1e-5)
    assert verdict.off_label == pytest.approx(1 - yes - no, rel=1e-5)


def test_scores_do_not_depend_on_batches_or_order(single, tiny, rows):
    questions, solutions = pairs(rows)
    whole = scores_of(single, questions, solutions)
    small = scores_of(make(model=tiny, batch_tokens=1), questions, solutions)
    back = scores_of(single, questions[::-1], solutions[::-1])[::-1]
    assert small == pytest.approx(whole, abs=1e-5)
    assert back == pytest.approx(whole, abs=1e-5)


def test_equal_pairs_are_asked_once(single, rows, monkeypatch):
    asked = []

    def counted(model, prompts, *args, **options):
        asked.extend(prompts)
        return next_token_probabilities(model, prompts, *args, **options)

    monkeypatch.setattr(local, "next_token_probabilities", counted)
    question, solution = rows[0]["question"], rows[0]["program"]
    scores = scores_of(single, [question] * 5, [solution] * 5)
    assert len(asked) == 1
    assert len(set(scores)) == 1


def test_sharing_questions_changes_no_score(single, tiny, rows):
    questions = [row["question"] for row in rows[:4] for _ in range(5)]
    solutions = [row["program"].replace("0", str(i)) for row in rows[:4] for i in range(5)]
    alone = make(model=tiny, reuse=False)
    assert scores_of(single, questions, solutions) == pytest.approx(scores_of(alone, questions, solutions), abs=1e-5)


def test_truncation_keeps_the_end_and_is_counted(tiny, rows):
    short = make(model=tiny, max_tokens=12)
    verdict = short.verdicts([rows[0]["question"]], [rows[0]["program"]])[0]
    assert verdict.truncated
    (prompt,) = short.render(rows[0]["question"], rows[0]["program"])
    tail = short.backend.tokenizer(prompt)["input_ids"][-12:]
    with torch.no_grad():
        logits = short.backend.model(torch.tensor([tail])).logits[0, -1].double()
    right, wrong = torch.softmax(logits, -1)[short.backend.labels].tolist()
    assert verdict.score == pytest.approx(right / (right + wrong), rel=1e-5)


@pytest.mark.parametrize("label", [" Absolutely", "", "Yes no"])
def test_a_label_that_is_not_one_token_shows_its_pieces(tokenizer, label):
    with pytest.raises(InputError, match=r"is not one token after the prompt \(it becomes \["):
        label_tokens(tokenizer, "Is this answer right?", [label])


def test_equal_labels_are_refused(tiny):
    with pytest.raises(InputError, match="are the same token"):
        make(model=tiny, labels=(" Yes", " Yes"))


def test_an_unknown_kind_lists_the_known_ones():
    with pytest.raises(InputError, match="'oracle' does not exist; choose one of single-token"):
        load.load(kind="oracle")


def test_the_score_can_be_log_odds_or_hard(tiny, rows):
    questions, solutions = pairs(rows)
    plain = load.load(model=tiny).verdicts(questions, solutions)
    for kind, expected in (("log-odds", lambda p: math.log(p / (1 - p))), ("hard", lambda p: float(p > 0.5))):
        found = load.load(model=tiny, score=kind).verdicts(questions, solutions)
        assert [v.score for v in found] == pytest.approx([expected(v.probability) for v in plain], abs=1e-5)
        assert [v.probability for v in found] == pytest.approx([v.score for v in plain], abs=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"score": "bogus"}, "'bogus' does not exist; choose one of probability"),
        ({"labels": [" Yes"]}, "give two words"),
        ({"labels": " Yes"}, "give two words"),
        ({"max_tokens": 0}, "must be at least 1"),
    ],
)
def test_wrong_settings_are_named(tiny, settings, message):
    with pytest.raises(InputError, match=message):
        load.load(model=tiny, **settings)


def test_probabilities_that_are_no_numbers_pay_nothing(tiny):
    broken = load.load(model=tiny)
    with torch.no_grad():
        broken.backend.model.lm_head.weight.fill_(math.nan)
    with pytest.raises(InputError, match="returned NaN or infinite probabilities; set judge.dtype"):
        scores_of(broken, ["q"], ["s"])


def test_auto_takes_bfloat16_where_it_is_computed_in(tiny):
    expected = torch.bfloat16 if loading.supports_bfloat16() else torch.float32
    assert load.load(model=tiny, dtype="auto").backend.model.dtype == expected


def test_scores_in_bfloat16_are_near_those_in_float32_whatever_the_batch(tiny, rows):
    questions, solutions = pairs(rows)
    exact = scores_of(load.load(model=tiny), questions, solutions)
    for batch_tokens in (1, 16384):
        half = scores_of(load.load(model=tiny, dtype="bfloat16", batch_tokens=batch_tokens), questions, solutions)
        assert half == pytest.approx(exact, abs=0.02)


def test_log_odds_are_bounded():
    assert SCORES["log-odds"](1.0) == LOG_ODDS_LIMIT
    assert SCORES["log-odds"](0.0) == -LOG_ODDS_LIMIT


@pytest.fixture
def phrasing(tmp_path):
    """A second phrasing, which names the labels."""
    path = tmp_path / "other.txt"
    path.write_text("Question: {question}\nSolution: {solution}\nRight? {labels}?")
    return str(path)


def test_phrasings_are_averaged_and_kept(tiny, rows, phrasing):
    questions, solutions = pairs(rows)
    first, second = (load.load(model=tiny, prompt=p).verdicts(questions, solutions) for p in ("judge", phrasing))
    both = load.load(model=tiny, prompt=["judge", phrasing]).verdicts(questions, solutions)
    for a, b, verdict in zip(first, second, both, strict=True):
        assert verdict.phrasings == pytest.approx((a.score, b.score), abs=1e-6)
        assert verdict.score == pytest.approx((a.score + b.score) / 2, abs=1e-6)


def test_swapped_labels_are_asked_for_too(tiny, phrasing):
    single = load.load(model=tiny, prompt=phrasing, swap_labels=True)
    assert [text.rsplit("Right? ")[1] for text in single.render("q", "s")] == ["Yes or No?", "No or Yes?"]
    assert len(single.verdicts(["q"], ["s"])[0].phrasings) == 2


def test_swapping_needs_a_slot_to_swap_in(tiny):
    with pytest.raises(InputError, match=r"no slot \{labels\}"):
        load.load(model=tiny, swap_labels=True)


def test_the_tokens_that_the_judge_reads_are_counted(tiny, rows, tmp_path):
    questions, solutions = pairs(rows)
    path = str(tmp_path / "answers.sqlite")
    judge = load.load(model=tiny, cache=path)
    texts = [text for pair in dict.fromkeys(zip(questions, solutions, strict=True)) for text in judge.render(*pair)]
    expected = sum(len(judge.backend.tokenizer(text)["input_ids"]) for text in texts)
    judge.verdicts(questions, solutions)
    assert judge.usage.read == expected > 0
    judge.verdicts(questions, solutions)
    assert judge.usage.read == expected  # the cache knew
    short = load.load(model=tiny, max_tokens=12)
    short.verdicts(questions, solutions)
    assert short.usage.read == 12 * len(texts)


def test_what_was_answered_is_not_asked_again(tiny, rows, tmp_path, monkeypatch):
    questions, solutions = pairs(rows)
    path = str(tmp_path / "answers.sqlite")
    fresh = load.load(model=tiny, cache=path)
    scores = scores_of(fresh, questions[:8], solutions[:8])
    assert (fresh.usage.prompts, fresh.usage.cached) == (8, 0)
    again = load.load(model=tiny, cache=path)
    asked = []
    original = again.backend.answers
    monkeypatch.setattr(again.backend, "answers", lambda texts, *rest: asked.extend(texts) or original(texts, *rest))
    assert scores_of(again, questions, solutions)[:8] == scores
    assert len(asked) == len(questions) - 8
    assert (again.usage.prompts, again.usage.cached) == (len(questions), 8)


@pytest.mark.parametrize("reasoning", [None, {"max_new_tokens": 4, "temperature": 0.0}])
def test_a_judge_with_another_model_asks_it_anew(tiny, model, rows, tmp_path, reasoning):
    questions, solutions = pairs(rows[:3])
    about = {"prompt": "reasoning", "reasoning": reasoning} if reasoning else {}
    own = load.load(model=tiny, cache=str(tmp_path / "answers.sqlite"), **about)
    scores = scores_of(own, questions, solutions)
    same = own.with_model(model)
    assert scores_of(same, questions, solutions) == scores and same.usage.cached == 0
    with torch.no_grad():
        model.lm_head.weight.add_(torch.randn(model.lm_head.weight.shape, generator=torch.Generator().manual_seed(0)))
    assert scores_of(same, questions, solutions) != scores
    assert same.in_process_backend.model is model and own.in_process_backend.model is not model
    assert scores_of(own, questions, solutions) == scores
    assert (own.usage.cached, same.usage.cached) == (len(questions), 0)


@pytest.mark.parametrize("change", [{"labels": (" No", " Yes")}, {"max_tokens": 12}, {"dtype": "bfloat16"}])
def test_another_judge_meets_no_old_answer(tiny, rows, tmp_path, change):
    path = str(tmp_path / "answers.sqlite")
    questions, solutions = pairs(rows)
    load.load(model=tiny, cache=path).verdicts(questions, solutions)
    other = load.load(model=tiny, cache=path, **change)
    other.verdicts(questions, solutions)
    assert other.usage.cached == 0


def test_a_broken_cache_is_named_and_gone_without(tiny, rows, tmp_path, capsys):
    path = tmp_path / "answers.sqlite"
    path.write_text("this is no database, but long enough to be taken for one" * 40)
    questions, solutions = pairs(rows)
    broken = load.load(model=tiny, cache=str(path))
    assert None not in scores_of(broken, questions, solutions)
    assert "judge cache not used" in capsys.readouterr().err


class Broken(Backend):
    """A back end whose answers are as given."""

    identity = "broken"

    def __init__(self, right, wrong):
        self.answer = LabelProbabilities(right, wrong)

    def answers(self, texts, groups):
        return [self.answer] * len(texts)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [(math.nan, 0.2), (0.2, math.nan), (math.inf, 0.0), (0.2, -0.1), (1.7, 0.1), (0.9, 0.9), (None, 0.2)],
)
def test_answers_that_are_no_probabilities_are_missing_and_not_kept(right, wrong, tmp_path):
    cache = str(tmp_path / "answers.sqlite")
    assert scores_of(SingleTokenJudge(Broken(right, wrong), cache=cache), ["q"], ["s"]) == [None]
    assert scores_of(SingleTokenJudge(Broken(0.6, 0.2), cache=cache), ["q"], ["s"]) == [pytest.approx(0.75)]
    pairwise = PairwiseJudge(Broken(right, wrong))
    assert scores_of(pairwise, ["q", "q"], ["s", "t"]) == [None, None]


def test_a_kept_answer_that_is_no_probability_is_asked_for_again(tmp_path):
    cache = str(tmp_path / "answers.sqlite")
    single = SingleTokenJudge(Broken(0.6, 0.2), cache=cache)
    for broken in (math.nan, math.inf, 7.0):  # a NaN is NULL in the file
        (text,) = single.render("q", "s")
        single.cache.put({text: LabelProbabilities(broken, 0.2)})
        assert scores_of(single, ["q"], ["s"]) == [pytest.approx(0.75)]
