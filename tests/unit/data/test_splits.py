import random

import pytest

from gavel.common.errors import InputError
from gavel.data.fields import FIELDS
from gavel.data.normalise import normalise
from gavel.data.splits import make_splits


def record(number, *, question=None, program=True, gold=True, **other):
    solution = f"<<{number}+1={number + 1}>>\n#### {number + 1}" if program else "Just so."
    return dict.fromkeys(FIELDS) | {
        "id": f"t-{number:05d}",
        "source": "t",
        "question": question or f"What is {number} and one more?",
        "solution": solution,
        "gold": str(number + 1) if gold else None,
        **other,
    }


def split(train, tests=None, pretrain=(), **options):
    options = {"labeled": 5, "unlabeled": 10, "validation": 3, "seed": 0, "solution_format": "program"} | options
    return make_splits(train, tests or {}, list(pretrain), **options)


def ids(rows):
    return [row["id"] for row in rows]


TRAIN = [record(number) for number in range(40)]


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("Janet’s ducks, 1,200 eggs!", "janet's DUCKS   1200 eggs", True),
        ("It costs $5.", "It costs 5", True),
        ("5-inch heels", "5 inch heels", True),
        ("costs 3.5", "costs 35", False),
        ("1/2 of it", "12 of it", False),
        ("has 2 cats", "has 3 cats", False),
        ("20% of them", "20 of them", False),
        ("sizes 1,20 and 3", "sizes 120 and 3", False),
    ],
)
def test_normalise(left, right, same):
    assert (normalise(left) == normalise(right)) is same


def test_sizes_fields_and_absent_answers():
    splits, notes = split(TRAIN)
    assert {name: len(rows) for name, rows in splits.items()} == {
        "labeled": 5,
        "unlabeled": 10,
        "validation": 3,
    }
    assert len({row["id"] for rows in splits.values() for row in rows}) == 18
    assert all(set(row) == {*FIELDS, "program"} and row["program"] for row in splits["labeled"])
    assert all(set(row) == set(FIELDS) for row in splits["unlabeled"] + splits["validation"])
    assert all(row["solution"] is None and row["gold"] is None for row in splits["unlabeled"])
    assert all(row["gold"] for row in splits["validation"])
    assert notes["unused"] == 22 and notes["sizes"] == {"labeled": 5, "unlabeled": 10, "validation": 3}


def test_order_in_the_file_does_not_matter_and_the_seed_does():
    shuffled = random.Random(1).sample(TRAIN, len(TRAIN))
    assert split(shuffled) == split(TRAIN)
    assert ids(split(TRAIN, seed=1)[0]["labeled"]) != ids(split(TRAIN)[0]["labeled"])


def test_more_labels_contain_fewer_and_leave_the_other_splits_alone():
    few, many = split(TRAIN, labeled=5)[0], split(TRAIN, labeled=20)[0]
    assert ids(many["labeled"])[:5] == ids(few["labeled"])
    assert many["validation"] == few["validation"] and many["unlabeled"] == few["unlabeled"]


def test_fractions_are_of_the_usable_problems():
    splits, _ = split([*TRAIN, record(90, question="What is 0 and one more?")], labeled=0.25, unlabeled=0.5)
    assert len(splits["labeled"]) == 10 and len(splits["unlabeled"]) == 20


@pytest.mark.parametrize("value", [-1, 1.5, 0.0, 1.0, True, "5", float("nan")])
def test_sizes_that_are_neither(value):
    with pytest.raises(InputError, match=r"study\.labeled: expected a count"):
        split(TRAIN, labeled=value, label="study")


def test_everything_that_is_removed_is_counted():
    main = [record(0, id="main-0", question="WHAT is 0, and one more"), record(300, id="main-1")]
    plus = [
        record(301, id="plus-0", seed_id="t-00001"),
        record(302, id="plus-1", seed_id="main-1"),
        record(303, id="plus-2", seed_question="What is 2 and one more"),
    ]
    duplicate = record(99, question="What is 4 and one more")
    splits, notes = split([*TRAIN, duplicate], {"main": main, "plus": plus}, [record(3, id="p-0")], unlabeled=28)
    assert notes["removed"] == {
        "in_test": {"main": 1, "plus": 0},
        "seed_of_test": {"main": 0, "plus": 2},
        "in_pretrain": 1,
        "duplicate": 1,
    }
    assert notes["train"] == 41 and notes["usable"] == 36 and notes["unused"] == 0
    kept = {row["id"] for rows in splits.values() for row in rows}
    assert kept == {row["id"] for row in TRAIN[4:]}


def test_of_two_equal_questions_the_one_with_an_answer_stays():
    first, second = record(1, gold=False), record(2, question="What is 1 and one more?")
    splits, notes = split([first, second], labeled=0, unlabeled=0, validation=1)
    assert ids(splits["validation"]) == ["t-00002"] and notes["removed"]["duplicate"] == 1


def test_problems_without_an_answer_serve_as_unlabelled():
    train = [record(n, gold=n % 4 != 0) for n in range(40)]
    splits, notes = split(train, labeled=7, unlabeled=30, validation=3)
    assert all(int(row["id"][2:]) % 4 for row in splits["labeled"] + splits["validation"])
    assert notes["without_gold"] == 10 and len(splits["unlabeled"]) == 30 and notes["unused"] == 0


def test_labelled_problems_with_a_solution_come_first_and_answers_alone_are_labels_too():
    train = [record(n, solution=f"<<{n}+1={n + 1}>>" if n % 4 == 0 else None) for n in range(40)]
    few, many = (split(train, labeled=n, unlabeled=0, validation=3) for n in (5, 30))
    assert [all(row.get("program") for row in splits["labeled"]) for splits, _ in (few, many)] == [True, False]
    assert ids(many[0]["labeled"])[:5] == ids(few[0]["labeled"])
    solved = many[1]["solutions"]["labeled"]
    assert 7 <= solved <= 10, "three problems are for validation"
    assert sum("program" in row for row in many[0]["labeled"]) == solved
    assert all(row["gold"] and row["solution"] is None for row in many[0]["labeled"][solved:])
    assert many[1]["solutions"]["validation"] + solved == 10
    assert many[1]["solutions"]["without"] == 37 - solved and many[1]["solutions"]["not_converted"] == {}
    text = split(train, labeled=30, unlabeled=0, validation=3, solution_format="text")
    assert ids(text[0]["labeled"]) == ids(many[0]["labeled"]) and "program" not in text[0]["labeled"][0]
    assert text[1]["solutions"] == many[1]["solutions"]


def test_solutions_that_do_not_convert_are_counted_by_reason():
    odd = {0: "Just so.", 1: "Because.", 2: "It is.", 3: "Well.", 4: "<<2+2=4>>", 5: "<<2+x=5>>"}
    train = [record(n, solution=odd[n]) if n in odd else record(n) for n in range(12)]
    splits, notes = split(train, labeled=12, unlabeled=0, validation=0)
    assert len(splits["labeled"]) == 12 and notes["solutions"]["labeled"] == 6
    found = notes["solutions"]["not_converted"]
    assert {kind: reason["count"] for kind, reason in found.items()} == {
        "no calculation": 4,
        "another answer": 1,
        "not plain arithmetic": 1,
    }
    assert len(found["no calculation"]["first"]) == 3
    assert found["another answer"]["first"] == {"t-00004": "its last calculation gives 4, but the answer is 5"}
    assert found["not plain arithmetic"]["first"] == {"t-00005": "<<2+x=5>> is not plain arithmetic"}
    assert notes["solutions"]["without"] == 0


def test_programs_have_the_reasoning_if_asked():
    train = [record(n, solution=f"Tom has {n} + 1 = <<{n}+1={n + 1}>>{n + 1} cats.") for n in range(9)]
    splits, _ = split(train, labeled=5, unlabeled=0, validation=0, reasoning=True)
    assert all(f"# Tom has {row['id'][-1]} + 1 = " in row["program"] for row in splits["labeled"])


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"labeled": 38}, r"data\.labeled asks for 38 problems with an answer, but 37 of the 40"),
        ({"validation": 41}, r"data\.validation asks for 41 problems with an answer, but 40 of the 40"),
        ({"unlabeled": 33}, r"data\.unlabeled .* 5 \+ 33 \+ 3 questions, but 40 of the 40"),
    ],
)
def test_too_few_problems_name_the_key_and_the_numbers(sizes, message):
    with pytest.raises(InputError, match=message) as raised:
        split(TRAIN, **sizes)
    assert "\n" not in str(raised.value)


def test_repeated_ids():
    with pytest.raises(InputError, match="same id"):
        split([*TRAIN, record(0, question="Another question?")])


def test_too_few_problems_are_explained_by_those_that_were_removed():
    train = [record(number) for number in range(12)]
    tests = {"own": train[:6], "plus": [record(90, question="Else?") | {"seed_id": train[8]["id"]}]}
    given = [*train, train[11] | {"id": "again"}]
    sizes = {"labeled": 1, "unlabeled": 0, "validation": 9}
    with pytest.raises(InputError) as error:
        make_splits(given, tests, train[9:10], **sizes, seed=0, solution_format="program", reasoning=False)
    assert str(error.value).endswith(
        "data.validation asks for 9 problems with an answer, but 4 of the 4 usable training problems are left for it "
        "(of the others, 6 are also in data.tests.own, 1 are the source of questions in data.tests.plus, 1 are also in "
        "data.pretrain, 1 are repeated); lower data.validation, or give more training problems"
    )
