import json
import random
import time

from gavel.data.audit import audit
from gavel.data.fields import FIELDS


def record(identity, question, **other):
    return dict.fromkeys(FIELDS) | {"id": identity, "question": question, "gold": "1"} | other


SHARED = "a farmer sells twelve baskets of ripe apples every"


def test_a_clean_study():
    splits = {
        "labeled": [record("l", "How many are 2 cats?")],
        "unlabeled": [record("u", "How many are 3 cats?")],
    }
    result = audit(splits, {"main": [record("m", "What do 4 dogs eat on a rainy day in the far north?")]})
    assert result["clean"] is True and result["seeds"] == {}
    assert result["overlap"]["labeled"]["main"]["exact"] == {"count": 0, "share": 0.0, "examples": []}
    assert json.loads(json.dumps(result)) == result


def test_exact_overlap_is_found_through_spelling():
    tests = {"main": [record("m0", "Is it  2,000 DOLLARS"), record("m1", "Is it 3,000 dollars")]}
    result = audit({"pretrain": [record("p", "Is it $2000 dollars?")]}, tests)
    assert result["overlap"]["pretrain"]["main"]["exact"] == {
        "count": 1,
        "share": 0.5,
        "examples": [{"test_id": "m0", "split_id": "p", "text": "is it 2000 dollars"}],
    }
    assert result["clean"] is False


def test_shared_ngrams_do_not_make_a_study_unclean():
    splits = {"labeled": [record("l", f"Long ago {SHARED} single day, how many?")]}
    tests = {
        "main": [
            record("m0", f"In town {SHARED} week, how much is that?"),
            record("m1", f"In town {SHARED.replace('every', 'each')} week, how much is that?"),
        ]
    }
    result = audit(splits, tests, n=9)
    ngram = result["overlap"]["labeled"]["main"]["ngram"]
    assert ngram["count"] == 1 and result["clean"] is True
    assert ngram["examples"] == [{"test_id": "m0", "split_id": "l", "text": SHARED}]
    assert audit(splits, tests)["overlap"]["labeled"]["main"]["ngram"]["count"] == 2


def test_templates_are_found_with_numbers_masked():
    splits = {"labeled": [record("l", "Tom has 3 red pens and 1,200 blue pens in all"), record("s", "Is 5 odd?")]}
    tests = {"main": [record("m0", "Tom has 7.5 red pens and 4 blue pens in all"), record("m1", "Is 7 odd?")]}
    cell = audit(splits, tests)["overlap"]["labeled"]["main"]
    assert cell["ngram"]["count"] == 0 and cell["template"]["count"] == 2
    assert cell["template"]["examples"][0]["text"] == "tom has <num> red pens and <num> blue"


def test_examples_are_limited():
    rows = [record(f"m{n}", f"What is {n}?") for n in range(20)]
    exact = audit({"labeled": rows}, {"main": rows})["overlap"]["labeled"]["main"]["exact"]
    assert exact["count"] == 20 and exact["share"] == 1.0 and len(exact["examples"]) == 5


def test_seeds_are_traced_to_the_main_test_and_found_in_training():
    main = [record("m0", "What is 10?"), record("m1", "What is 11?")]
    plus = [
        record("p0", "What is 20?", seed_id="m0", kind="numerical substitution"),
        record("p1", "What is 21?", seed_id="m0", kind="distraction insertion"),
        record("p2", "What is 22?", seed_id="l0", kind="distraction insertion"),
        record("p3", "What is 23?", seed_id="gone", kind="distraction insertion"),
        record("p4", "What is 24?", kind="distraction insertion"),
    ]
    seeds = audit({"labeled": [record("l0", "What is 1?")], "validation": []}, {"main": main, "plus": plus})["seeds"]
    assert list(seeds) == ["plus"]
    in_split = seeds["plus"].pop("in_split")
    assert seeds["plus"] == {"items": 5, "linked": 4, "distinct": 3, "traced_to": {"main": 1}, "untraced": 2}
    assert in_split["labeled"]["count"] == 1 and in_split["labeled"]["share"] == 0.2
    assert in_split["labeled"]["examples"] == [{"test_id": "p2", "split_id": "l0", "text": "l0"}]
    assert in_split["validation"]["count"] == 0


def test_a_seed_in_training_is_unclean_even_under_another_id():
    plus = {"plus": [record("p0", "What is 20?", seed_id="x", kind="k")]}
    assert audit({"labeled": [record("x", "What is 1?")]}, plus)["clean"] is False
    pool = {"labeled": [record("y", "what is 1")], "pretrain": [record("x", "What is 1?")]}
    assert audit(pool, plus)["seeds"]["plus"]["in_split"]["labeled"]["count"] == 1
    assert audit({"labeled": [record("y", "What is 2?")]}, plus)["clean"] is True


def test_common_questions_of_two_splits():
    splits = {
        "labeled": [record("l", "What is 1?")],
        "unlabeled": [record("u", "what is 1")],
        "validation": [],
    }
    result = audit(splits, {})
    assert [(pair["first"], pair["second"], pair["count"]) for pair in result["between_splits"]] == [
        ("labeled", "unlabeled", 1),
        ("labeled", "validation", 0),
        ("unlabeled", "validation", 0),
    ]
    assert result["clean"] is False
    assert audit({"labeled": splits["labeled"] * 2}, {})["splits"]["labeled"] == {"rows": 2, "duplicates": 1}


def test_speed_at_the_size_of_gsm8k():
    words = [f"w{n}x" for n in range(500)]
    generator = random.Random(0)

    def rows(prefix, count):
        return [record(f"{prefix}{n}", " ".join(generator.choices(words, k=45))) for n in range(count)]

    splits, tests = {"unlabeled": rows("u", 8000)}, {"plus": rows("p", 2400)}
    start = time.process_time()
    audit(splits, tests)
    assert time.process_time() - start < 15
