"""Multiple-choice questions: rows in the published layouts, their options in the question, letters as gold answers."""

import json

import pytest

from gavel.common.errors import InputError
from gavel.data import prepare, readers
from gavel.data.sources import load
from gavel.solutions.choice_answers import extract, offered

AQUA_ROW = {
    "question": "A box holds 5 red and 7 blue apples. How many apples does it hold?",
    "options": ["A)5", "B)12", "C)7", "D)35", "E)None of these"],
    "rationale": "5 + 7 = 12\nAnswer: B",
    "correct": "B",
}
ARC_ROW = {  # the published JSON Lines
    "id": "Mercury_7175875",
    "question": {
        "stem": "Which gas do plants take up?",
        "choices": [{"text": "oxygen", "label": "1"}, {"text": "carbon dioxide", "label": "2"}],
    },
    "answerKey": "2",
}
ARC_HUB_ROW = {
    "id": "Mercury_7175875",
    "question": "Which gas do plants take up?",
    "choices": {"text": ["oxygen", "carbon dioxide"], "label": ["A", "B"]},
    "answerKey": "B",
}
MMLU_ROW = {
    "question": "What is 5 + 7?",
    "subject": "elementary_mathematics",
    "choices": ["5", "12", "7", "35"],
    "answer": 1,
}
MMLU_PRO_ROW = {
    "question_id": 70,
    "question": "What is 5 + 7?",
    "options": ["5", "12", "7", "35", "2", "0", "1", "57", "75", "6"],
    "answer": "J",
    "answer_index": 9,
    "cot_content": "",
    "category": "math",
}
LM_EVAL_ROW = {"doc_id": 0, "doc": MMLU_PRO_ROW, "target": "J", "resps": [["The answer is (J)."]]}
OWN_ROW = {"question": "What is 5 + 7?", "choices": ["5", "12"], "answer": "b", "solution": "12, so B."}


def read(reader, path, **options):
    return load(reader, path=path, label="data.train.path", answer_type="choice", **options)


@pytest.mark.parametrize(
    ("reader", "row", "question", "gold", "solution"),
    [
        (
            "aqua",
            AQUA_ROW,
            AQUA_ROW["question"] + "\nA) 5\nB) 12\nC) 7\nD) 35\nE) None of these",
            "B",
            AQUA_ROW["rationale"],
        ),
        ("arc", ARC_ROW, "Which gas do plants take up?\nA) oxygen\nB) carbon dioxide", "B", None),
        ("arc", ARC_HUB_ROW, "Which gas do plants take up?\nA) oxygen\nB) carbon dioxide", "B", None),
        ("mmlu", MMLU_ROW, "What is 5 + 7?\nA) 5\nB) 12\nC) 7\nD) 35", "B", None),
        ("mmlu", MMLU_ROW | {"answer": "B"}, "What is 5 + 7?\nA) 5\nB) 12\nC) 7\nD) 35", "B", None),
        ("rows", OWN_ROW, "What is 5 + 7?\nA) 5\nB) 12", "B", "12, so B."),
        ("rows", {"question": "A) 5 or B) 12?", "answer": "B"}, "A) 5 or B) 12?", "B", None),
        ("rows", {"question": "Q?\nA) 5\nB) 12", "gold": "B", "answer": "A"}, "Q?\nA) 5\nB) 12", "B", None),
    ],
)
def test_a_row_in_its_published_form(write, reader, row, question, gold, solution):
    (record,) = read(reader, write(row))
    assert (record["question"], record["gold"], record["solution"]) == (question, gold, solution)
    assert "choices" not in record
    assert record["id"] == row.get("id", "rows-00000")


@pytest.mark.parametrize("row", [MMLU_PRO_ROW, None], ids=["hub", "log"])
def test_ten_options(write, row):
    reader, row = ("mmlu", row) if row else ("lm_eval", LM_EVAL_ROW)
    (record,) = read(reader, write(row))
    assert offered(record["question"]) == "ABCDEFGHIJ" and record["gold"] == "J"


@pytest.mark.parametrize("rationale", ["5 + 7 = 12", "It is 12.\nThe answer is A."])
def test_a_rationale_ends_with_the_right_letter(write, rationale):
    (record,) = read("aqua", write(AQUA_ROW | {"rationale": rationale}))
    assert record["solution"] == f"{rationale}\nThe answer is (B)."
    assert extract(record["solution"]) == "B"


@pytest.mark.parametrize(
    ("reader", "row", "message"),
    [
        ("aqua", AQUA_ROW | {"correct": "F"}, "the answer 'F' is not one of the 5 options, A to E"),
        ("aqua", AQUA_ROW | {"correct": None}, "no answer; expected the letter of an option, such as B"),
        ("aqua", AQUA_ROW | {"options": "A)5"}, "'options' must be a list of texts"),
        ("aqua", AQUA_ROW | {"options": ["A)5"]}, "'options' has 1 options; a question needs 2 to 26"),
        ("arc", ARC_ROW | {"answerKey": "3"}, "'answerKey' '3' is not a label of 'choices'"),
        ("arc", ARC_HUB_ROW | {"choices": None}, "'choices' must be a list of texts"),
        ("arc", ARC_HUB_ROW | {"question": " "}, "no text in 'question'"),
        ("mmlu", MMLU_ROW | {"answer": 4}, "the answer 4 is not the index of one of the 4 options"),
        ("mmlu", MMLU_ROW | {"answer": True}, "the answer 'True' is not the letter"),
        ("rows", {"question": "Q?", "answer": "12"}, "the answer '12' is not the letter of an option"),
        ("rows", OWN_ROW | {"answer": "C"}, "the answer 'C' is not one of the 2 options, A to B"),
        ("rows", OWN_ROW | {"choices": ["5", 12]}, "'choices' must be a list of texts"),
        ("lm_eval", LM_EVAL_ROW | {"target": "12"}, "'target' is not the letter of an option, such as B"),
        ("lm_eval", LM_EVAL_ROW | {"target": "K"}, "the answer 'K' is not one of the 10 options, A to J"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(write, reader, row, message):
    path = write(row)
    with pytest.raises(InputError) as error:
        read(reader, path)
    assert str(error.value).startswith(f"{path}:1: ") and message in str(error.value)


def test_a_layout_of_numbers_has_no_letters_and_the_other_way_round(write):
    path = write(AQUA_ROW)
    with pytest.raises(
        InputError, match="reader 'gsm8k' does not read answers of the type 'choice'; use lm_eval, rows, aqua"
    ):
        read("gsm8k", path)
    with pytest.raises(InputError, match="reader 'aqua' does not read answers of the type 'number'; use gsm8k"):
        load("aqua", path=path, label="data.train.path")
    assert set(readers.readers_for("number")) | set(readers.readers_for("choice")) == set(readers.READERS)


def test_a_row_of_numbers_keeps_its_question_whatever_its_choices_are(write):
    (record,) = load("rows", path=write({"question": "Q?", "answer": "5", "choices": ["4", "5"]}), label="x")
    assert (record["question"], record["gold"]) == ("Q?", "5")


def test_a_study_s_files(write, tmp_path):
    rows = [AQUA_ROW | {"question": f"What is {n} more than 5?", "correct": "ABCD"[n % 4]} for n in range(12)]
    source = {"reader": "aqua", "name": None, "split": None, "revision": None, "limit": None, "skip_bad": False}
    source |= {"columns": None}
    train = source | {"path": write(*rows[:10], name="train.jsonl")}
    summary = prepare.prepare(
        train=train,
        tests={"own": source | {"path": write(*rows[10:], name="test.jsonl")}},
        pretrain=None,
        labeled=4,
        unlabeled=3,
        validation=2,
        seed=0,
        solution_format="text",
        answer_type="choice",
        output=tmp_path / "data",
    )
    assert summary["counts"] == {"pretrain": 0, "labeled": 4, "unlabeled": 3, "validation": 2, "test/own": 2}
    unlabelled = [json.loads(line) for line in (tmp_path / "data/unlabeled.jsonl").open()]
    assert all(row["gold"] is None and "B) 12" in row["question"] for row in unlabelled)
    assert (tmp_path / "data/validation-perturbed.jsonl").read_text() == ""
