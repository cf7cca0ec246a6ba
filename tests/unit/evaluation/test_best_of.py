"""The best of many samples by score, Elo and knockout, against brute force; what each takes; what is written of it."""

import hashlib
import math
import random

import numpy as np
import pytest

from gavel.common.files import read_jsonl, write_jsonl
from gavel.evaluation.best_of import CachedComparer, choose
from gavel.evaluation.question_values import question_values
from gavel.evaluation.records import ScoredSample
from gavel.evaluation.score import score
from gavel.judge import load
from gavel.judge.ratings import bradley_terry, win_rates
from gavel.judge.tournaments import SCORES
from gavel.judge.verdict import Comparison, Usage
from helpers.judge_scores import scores_of
from helpers.typed_rows import assert_typed

WAYS = ["score", "elo", "knockout"]


class Oracle:
    """A judge that compares by a rule on two texts; two prompts and five tokens a comparison, and it counts calls."""

    score = staticmethod(SCORES["win-rate"])

    def __init__(self, rule, missing=()):
        self.rule, self.missing = rule, missing
        self.asked, self.calls = [], 0

    def compare(self, matches):
        self.calls += 1
        self.asked += matches
        return [None if {a, b} & {*self.missing} else Comparison(self.rule(a, b), 0.5, False) for _, a, b in matches]

    @property
    def usage(self):
        return Usage(prompts=2 * len(self.asked), read=5 * len(self.asked))


def larger(a, b):
    return 0.5 + math.copysign(0.3, float(a) - float(b))


def any_rule(seed):
    """Any probabilities, intransitive as they come, the same in both orders."""

    def rule(a, b):
        first, second = sorted((a, b))
        won = random.Random(f"{seed} {first} {second}").choice((0.5, random.Random(f"{first}{second}{seed}").random()))
        return won if a == first else 1 - won

    return rule


def groups_of(seed, questions=6, most=9):
    rng = random.Random(seed)
    return [[str(rng.randint(1, 9)) for _ in range(rng.randint(1, most))] for _ in range(questions)]


def by_hand(own, rule):
    """The winner of a tree over the different texts, those that stand first with an empty leaf beside them."""
    players = sorted(dict.fromkeys(own), key=lambda text: hashlib.sha256(f"0\0{text}".encode()).digest())
    byes = (1 << math.ceil(math.log2(len(players)))) - len(players)
    leaves = [leaf for player in players[:byes] for leaf in (player, None)] + players[byes:]
    while len(leaves) > 1:
        pairs = list(zip(leaves[::2], leaves[1::2], strict=True))
        leaves = [a if b is None or rule(a, b) >= 0.5 else b for a, b in pairs]
    return leaves[0]


def best(values, own):
    top = max(value for value in values if value is not None)
    return {text for text, value in zip(own, values, strict=True) if value == top}


def test_of_a_true_order_all_ways_pick_the_same():
    groups = groups_of(0)
    values, _ = choose(Oracle(larger), [f"q{i}" for i in range(6)], groups, WAYS)
    for place, own in enumerate(groups):
        if len(own) == 1:
            assert [values[way][place] for way in WAYS] == [[None], [None], [True]]
            continue
        for way in WAYS:
            assert best(values[way][place], own) == {max(own)}, way


@pytest.mark.parametrize("seed", range(20))
def test_of_any_table_each_way_is_what_it_says(seed):
    rule, groups = any_rule(seed), [own for own in groups_of(seed) if len(own) > 1]
    values, _ = choose(Oracle(rule), [f"q{i}" for i in range(len(groups))], groups, WAYS)
    for place, own in enumerate(groups):
        n = len(own)
        rates = [sum(0.5 if a == b else rule(a, b) for b in own) for a in own]
        rates = [(total - 0.5) / (n - 1) for total in rates]  # less the one against itself
        assert values["score"][place] == pytest.approx(rates)
        assert sum(values["elo"][place]) == pytest.approx(0, abs=0.01)
        order = sorted(range(n), key=lambda i: rates[i])
        ratings = [values["elo"][place][i] for i in order]
        assert ratings == sorted(ratings), "a whole round robin is ordered alike by both"
        assert values["knockout"][place] == [text == by_hand(own, rule) for text in own]


def test_ratings_are_those_of_the_fit_and_equal_solutions_have_equal_ones():
    rule, own = any_rule(3), ["5", "2", "5", "7", "1", "5"]
    (found,) = choose(Oracle(rule), ["q"], [own], ["elo"])[0]["elo"]
    table = np.array([[0.5 if a == b else rule(a, b) for b in own] for a in own])
    assert found == pytest.approx(bradley_terry(table).tolist(), abs=0.001)
    assert len({found[0], found[2], found[5]}) == 1
    (rates,) = choose(Oracle(rule), ["q"], [own], ["score"])[0]["score"]
    assert rates == pytest.approx(win_rates(table).tolist())


def test_an_inconsistent_judge_can_have_another_winner_by_knockout():
    """Rock, paper and scissors among the best: whoever meets whom decides."""
    beats = {("a", "b"), ("b", "c"), ("c", "a"), ("a", "d"), ("b", "d"), ("c", "d")}
    values, _ = choose(Oracle(lambda a, b: float((a, b) in beats)), ["q"], [["a", "b", "c", "d"]], WAYS)
    assert values["score"] == [pytest.approx([2 / 3, 2 / 3, 2 / 3, 0])]
    assert values["elo"][0][0] == values["elo"][0][1] == values["elo"][0][2]
    assert sum(values["knockout"][0]) == 1
    assert values["knockout"][0][3] is False


@pytest.mark.parametrize("ways", [["score"], ["elo"], ["knockout"], ["elo", "knockout"], WAYS])
def test_each_way_takes_what_it_takes_and_no_pair_is_asked_twice(ways):
    groups = groups_of(1, questions=8)
    distinct = [len(set(own)) for own in groups]
    whole, few = sum(n * (n - 1) // 2 for n in distinct), sum(n - 1 for n in distinct)
    judge = Oracle(any_rule(1))
    _, costs = choose(judge, [f"q{i}" for i in range(8)], groups, ways)
    spent = {"knockout": few, "round-robin": whole}
    played = (["knockout"] if "knockout" in ways else []) + (["round-robin"] if {"score", "elo"} & set(ways) else [])
    assert costs == {
        way: {"questions": 8, "comparisons": spent[way], "prompts": 2 * spent[way], "read": 5 * spent[way]}
        | {"written": 0}
        for way in played
    }
    pairs = [(question, frozenset(pair)) for question, *pair in judge.asked]
    assert len(pairs) == len(set(pairs)) == max(spent[way] for way in played)
    rounds = math.ceil(math.log2(max(distinct))) if "knockout" in ways else 0
    assert judge.calls == rounds + ("round-robin" in played), "a round is one set of passes"


def test_a_round_robin_changes_no_winner():
    groups = groups_of(5)
    questions = [f"q{i}" for i in range(6)]
    alone, both = (choose(Oracle(any_rule(5)), questions, groups, ways)[0] for ways in (["knockout"], WAYS))
    assert alone["knockout"] == both["knockout"]
    assert list(alone) == ["knockout"]


def test_what_the_judge_does_not_say_is_not_known_and_not_asked_again():
    judge = Oracle(larger, missing=["2"])
    values, costs = choose(judge, ["q", "r"], [["1", "2", "3", "4"], ["5", "6"]], WAYS)
    assert values["knockout"] == [[None] * 4, [False, True]]
    assert [value is None for value in values["score"][0]] == [False, True, False, False]
    assert [value is None for value in values["elo"][0]] == [False, True, False, False]
    assert costs["round-robin"]["comparisons"] == len(judge.asked) == 6 + 1


def test_a_pair_is_known_in_both_orders():
    asked = CachedComparer(Oracle(lambda a, b: 0.8))
    (found,) = asked.compare([("q", "a", "b")])
    (turned,) = asked.compare([("q", "b", "a")])
    assert (found.probability, turned.probability) == (0.8, pytest.approx(0.2))
    assert asked.cost() == {"comparisons": 1, "prompts": 2, "read": 5, "written": 0}


def test_a_question_without_samples_is_refused():
    with pytest.raises(ValueError, match="without solutions"):
        choose(Oracle(larger), ["q"], [[]], WAYS)


@pytest.fixture
def generated(tmp_path):
    """Two questions with the same words, their greedy solution and four samples each, as `generate` writes them."""
    questions, responses = tmp_path / "questions.jsonl", tmp_path / "responses.jsonl"
    write_jsonl(questions, [{"id": name, "question": "Which?", "gold": "4"} for name in ("x", "y")])
    samples = {"x": ["9", "1", "4", "4", "3"], "y": ["4", "2", "2", "2", "2"]}
    write_jsonl(
        responses,
        [
            {"id": name, "sample": number, "temperature": 0.7, "response": text, "tokens": 3, "finished": True}
            for name, texts in samples.items()
            for number, text in enumerate(texts, start=-1)
        ],
    )
    return {"questions": str(questions), "responses": str(responses), "output": tmp_path / "samples.jsonl"}


def scored(generated, judge, **settings):
    *_, costs = score(**generated, solution_format="text", judge=judge, **settings)
    rows = list(read_jsonl(generated["output"]))
    assert_typed(rows, ScoredSample)
    return rows, costs


def test_rows_say_who_won_and_the_greedy_one_does_not_play(generated):
    rows, costs = scored(generated, Oracle(larger), best_of=WAYS)
    assert list(rows[0])[4:9] == ["answer", "correct", "judge", "elo", "knockout"]
    first = {row["sample"]: row for row in rows if row["id"] == "x"}
    assert [first[-1][key] for key in ("judge", "elo", "knockout")] == [None] * 3
    assert [first[number]["knockout"] for number in range(4)] == [False, True, True, False]
    assert first[1]["elo"] == first[2]["elo"] > first[3]["elo"] > first[0]["elo"]
    assert first[0]["judge"] == pytest.approx(0.2)
    second = [row for row in rows if row["id"] == "y" and row["sample"] >= 0]
    assert {(row["judge"], row["elo"], row["knockout"]) for row in second} == {(0.5, 0.0, True)}
    assert {way: (cost["questions"], cost["comparisons"]) for way, cost in costs.items()} == {
        "knockout": (2, 2),
        "round-robin": (2, 3),
    }
    values = question_values(rows, [1, 4])
    assert [values[metric, 4] for metric in ("best_of", "best_of_elo", "best_of_knockout")] == [{"x": 1, "y": 0}] * 3


def test_a_knockout_alone_leaves_the_scores_empty(generated):
    rows, costs = scored(generated, Oracle(larger), best_of=["knockout"])
    assert {row["judge"] for row in rows} == {None}
    assert "elo" not in rows[0]
    assert list(costs) == ["knockout"]
    metrics = {metric for metric, _ in question_values(rows, [1, 4])}
    assert "best_of_knockout" in metrics
    assert not metrics & {"best_of", "best_of_elo", "weighted_maj"}


def test_rows_that_ask_for_scores_alone_are_as_ever(tiny, generated):
    judge = load.load(kind="pairwise", model=tiny, labels=(" Yes", " No"))
    rows, costs = scored(generated, judge)
    assert costs == {}
    assert list(rows[0])[4:8] == ["answer", "correct", "judge", "tokens"]
    # Both questions have the same words, so all ten are one group, as the judge sees it.
    alone = scores_of(judge, ["Which?"] * 10, [row["response"] for row in rows])
    assert [row["judge"] for row in rows] == alone


def test_a_real_model_plays_both(tiny, generated):
    judge = load.load(kind="pairwise", model=tiny, labels=(" Yes", " No"))
    rows, costs = scored(generated, judge, best_of=WAYS)
    assert [costs[way]["prompts"] for way in ("knockout", "round-robin")] == [4, 6]
    assert 0 < costs["knockout"]["read"] < costs["round-robin"]["read"] == judge.usage.read
    apart = load.load(kind="pairwise", model=tiny, labels=(" Yes", " No"))
    only, less = scored(generated, apart, best_of=["knockout"])
    assert [row["knockout"] for row in only] == [row["knockout"] for row in rows]
    assert less["knockout"] == costs["knockout"]
