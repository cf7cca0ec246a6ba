"""The generator: sound problems in GSM8K's format, the same for the same seed."""

import re
from collections import Counter

import pytest

from gavel.common.errors import InputError
from gavel.data.generator import problems
from gavel.data.generator.perturbations import KINDS, perturb
from gavel.data.generator.templates import (
    DISTRACTORS,
    MAIN_CLOSERS,
    MAIN_EVENTS,
    MAIN_OPENERS,
    SVAMP_CLOSERS,
    SVAMP_EVENTS,
    SVAMP_OPENERS,
    WIDE_CLOSERS,
    WIDE_EVENTS,
    WIDE_OPENERS,
)
from gavel.data.normalise import normalise
from gavel.solutions.programs import to_program
from gavel.solutions.sandbox.pool import run_programs


@pytest.fixture(scope="module")
def main():
    return problems.generate("main", 300, 5, "generator-main")


@pytest.fixture(scope="module")
def plus(main):
    return perturb(main, 80, 5, "generator-plus")


@pytest.mark.parametrize("name", ["pretrain", "main", "svamp"])
def test_every_solution_converts_to_a_program_that_gives_the_answer(name):
    rows = [row for _, row in problems.generate(name, 200, 3, name)]
    programs = [to_program(row["solution"], row["gold"], row["question"]) for row in rows]
    assert None not in programs
    assert run_programs(programs) == [row["gold"] for row in rows]
    assert all(row["solution"].endswith(f"\n#### {row['gold']}") for row in rows)


def test_the_seed_decides_the_problems():
    first, same, other = (problems.generate("main", 50, seed, "x") for seed in (1, 1, 2))
    assert [row for _, row in first] == [row for _, row in same]
    assert {row["question"] for _, row in first}.isdisjoint(row["question"] for _, row in other)


def test_excluded_questions_do_not_occur():
    questions = {row["question"] for _, row in problems.generate("main", 50, 1, "x")}
    again = {row["question"] for _, row in problems.generate("main", 50, 1, "x", frozenset(questions))}
    assert questions.isdisjoint(again)


def test_main_stories_have_two_or_three_operations(main):
    assert {len(story.steps()) for story, _ in main} == {2, 3}


def test_no_sentence_of_an_out_of_domain_set_is_read_in_pretraining():
    read = (*MAIN_OPENERS, *MAIN_EVENTS, *MAIN_CLOSERS, *WIDE_OPENERS, *WIDE_EVENTS, *WIDE_CLOSERS)
    svamp = (*SVAMP_OPENERS, *SVAMP_EVENTS, *SVAMP_CLOSERS)
    known = {text for s in read for text in (s.text, s.question)} - {""}
    unknown = {text for s in svamp for text in (s.text, s.question)}
    unknown |= {
        text for s in (*MAIN_OPENERS, *MAIN_EVENTS, *MAIN_CLOSERS) for text in (s.paraphrase, s.question_paraphrase)
    }
    assert known.isdisjoint(unknown | set(DISTRACTORS))


def test_every_word_of_the_out_of_domain_sets_is_read_in_pretraining(main, plus):
    """A word that falls to pieces would test the tokenizer; what these sets test is a new sentence."""

    def words(questions: list[str]) -> set[str]:
        return {word for question in questions for word in re.findall(r"[A-Za-z]+", question)}

    read = words([row["question"] for _, row in problems.generate("pretrain", 20000, 0, "x")])
    svamp = [row["question"] for _, row in problems.generate("svamp", 600, 4, "x")]
    assert words([*svamp, *(row["question"] for row in plus)]) <= read


def test_an_unknown_set_is_an_input_error():
    with pytest.raises(InputError, match="'algebra' does not exist"):
        problems.generate("algebra", 1, 0, "x")


def test_perturbations_take_turns_and_name_their_seed(main, plus):
    assert Counter(row["kind"] for row in plus) == dict.fromkeys(KINDS, 10)
    assert {row["seed_id"] for row in plus} <= {row["id"] for _, row in main}
    assert len({normalise(row["question"]) for row in plus}) == len(plus)


def test_critical_thinking_has_no_answer_and_says_so(plus):
    rows = [row for row in plus if row["kind"] == "critical thinking"]
    assert all(row["gold"] == "None" and re.search(r"\bsome\b", row["question"]) for row in rows)


def test_perturbed_solutions_give_their_answers(plus):
    rows = [row for row in plus if row["gold"] != "None"]
    programs = [to_program(row["solution"], row["gold"], row["question"]) for row in rows]
    assert None not in programs
    assert run_programs(programs) == [row["gold"] for row in rows]


def test_a_reworded_problem_shares_no_sentence_with_its_seed(main, plus):
    seeds = {row["id"]: row for _, row in main}
    for row in plus:
        if row["kind"] == "problem understanding":
            theirs = set(seeds[row["seed_id"]]["question"].split(". "))
            assert theirs.isdisjoint(row["question"].split(". "))
            assert row["gold"] == seeds[row["seed_id"]]["gold"]


def test_a_reversed_problem_leads_back():
    """Doing the given events to the answer gives the stated end."""
    rows = perturb(problems.generate("main", 300, 8, "x"), 200, 8, "y")
    row = next(r for r in rows if r["kind"] == "reversing operation" and " buys " in r["question"])
    words = row["question"].replace(".", " ").split()
    bought = int(words[words.index("buys") + 1])
    end = int(words[words.index("end") + 3])
    if len(row["solution"].splitlines()) == 2:
        assert int(row["gold"]) + bought == end


def test_a_decimal_number_stands_in_every_integer_decimal_problem(plus):
    for row in plus:
        if row["kind"].startswith("integer"):
            assert any("." in word.rstrip(".") for word in row["question"].split() if word[0].isdigit())
