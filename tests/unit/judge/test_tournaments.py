"""Round robins and knockouts against brute force, and how often they ask."""

import math
import random

import numpy as np
import pytest

from gavel.judge.tournaments import bracket, knockout, round_robin


class Oracle:
    """Any probabilities, intransitive as they come; even ones now and then. Keeps what it was asked, by round."""

    def __init__(self, players: int, seed: int = 0, missing=frozenset()):
        rng = random.Random(seed)
        self.won = {(i, j): rng.choice((0.5, rng.random())) for i in range(players) for j in range(i)}
        self.rounds, self.missing = [], missing

    def __call__(self, pairs):
        self.rounds.append(pairs)
        return [None if {*pair} & self.missing else self.probability(*pair) for pair in pairs]

    def probability(self, i, j):
        return self.won[i, j] if i > j else 1 - self.won[j, i]


@pytest.mark.parametrize("sizes", [[5], [1], [2, 1, 8, 3], [0, 4]])
def test_a_round_robin_asks_each_pair_once_and_in_one_round(sizes):
    oracle, groups, begun = Oracle(sum(sizes)), [], 0
    for size in sizes:
        groups.append(list(range(begun, begun + size)))
        begun += size
    tables = round_robin(groups, oracle)
    asked = [frozenset(pair) for pairs in oracle.rounds for pair in pairs]
    assert len(asked) == len(set(asked)) == sum(n * (n - 1) // 2 for n in sizes)
    assert len(oracle.rounds) == (len(asked) > 0)
    for group, table in zip(groups, tables, strict=True):
        for row, i in enumerate(group):
            for column, j in enumerate(group):
                assert table[row, column] == pytest.approx(0.5 if i == j else oracle.probability(i, j))


def test_what_could_not_be_asked_is_not_known():
    (table,) = round_robin([[0, 1, 2]], Oracle(3, missing={1}))
    assert np.isnan(table).tolist() == [[False, True, False], [True, False, True], [False, True, False]]


def by_hand(players, oracle):
    """The winner of a tree whose leaves are the players, those with byes beside an empty leaf."""
    size = 1 << math.ceil(math.log2(len(players)))
    byes = size - len(players)
    leaves = [leaf for player in players[:byes] for leaf in (player, None)] + list(players[byes:])

    def winner(part):
        if len(part) == 1:
            return part[0]
        left, right = winner(part[: len(part) // 2]), winner(part[len(part) // 2 :])
        if right is None:
            return left
        return left if oracle.probability(left, right) >= 0.5 else right

    return winner(leaves)


@pytest.mark.parametrize("n", [*range(1, 18), 33])
def test_a_knockout_is_the_tree_and_asks_n_minus_1(n):
    for seed in range(20):
        oracle = Oracle(n, seed)
        order = random.Random(seed).sample(range(n), n)
        assert knockout([order], oracle) == [by_hand(order, oracle)]
        assert sum(map(len, oracle.rounds)) == n - 1
        assert len(oracle.rounds) == math.ceil(math.log2(n))


def test_the_best_of_a_true_order_wins_from_every_place():
    for n in (2, 3, 6, 11):
        for seed in range(10):
            order = random.Random(seed).sample(range(n), n)
            assert knockout([order], lambda pairs: [float(i > j) for i, j in pairs]) == [n - 1]


def test_brackets_share_their_rounds():
    oracle, brackets = Oracle(20, 3), [[0, 1, 2], [3], list(range(4, 20))]
    assert knockout(brackets, oracle) == [by_hand(players, oracle) for players in brackets]
    assert [len(pairs) for pairs in oracle.rounds] == [1 + 8, 1 + 4, 2, 1]


def test_a_match_that_could_not_be_asked_ends_its_own_bracket_only():
    oracle = Oracle(9, 1, missing={1})
    assert knockout([[0, 1, 2], [3, 4, 5, 6, 7, 8]], oracle) == [None, by_hand([3, 4, 5, 6, 7, 8], oracle)]


def test_a_bracket_follows_the_texts_and_the_seed():
    texts = [f"solution {i}" for i in range(9)]
    order = [texts[i] for i in bracket(texts)]
    for seed in range(5):
        mixed = random.Random(seed).sample(texts, 9)
        assert [mixed[i] for i in bracket(mixed)] == order
    assert [texts[i] for i in bracket(texts, seed=1)] != order
