"""Letters as models state them, and what is no letter: an article, a variable, several letters, another problem."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gavel.solutions.choice_answers import TYPE, canonical, equal, extract, offered, with_options
from gavel.solutions.verifier import verify


@pytest.mark.parametrize(
    "text",
    [
        "The answer is (B).",
        "Answer: B",
        "**B**",
        r"\boxed{B}",
        "B) 12 apples",
        "option b",
        "B",
        "b",
        "(b)",
        "B.",
        "[B]",
        "B: 12 apples",
        "B. the moon",
        "**B) 12 apples**\nThere are 12.",
        "The answer is b.",
        "the answer is: **B**.",
        "**Answer:** B",
        "**Answer: (B) 12 apples**",
        "Final answer:\n\n(B)",
        "### Final Answer\nB",
        "#### B",
        "<answer>B</answer>",
        "<answer>B) 12</answer>",
        r"$\boxed{\text{B}}$",
        r"\boxed{\textbf{(B)}\ 12}",
        r"The answer is \(B\).",
        'Answer: "B"',
        "ＡＮＳＷＥＲ：Ｂ",
        "ANSWER:B",
        "Ans. B",
        "Ans: B",
        "A: B",
        "Answer B",
        "= 12\nAnswer is B",
        "The correct answer is option B.",
        "The correct option is: B",
        "So the correct choice is B, 12 apples.",
        "Answer choice B is correct.",
        "The best answer is B: the moon",
        "I would choose B.",
        "I'll go with option B",
        "B is correct.",
        "Option B is correct because A is wrong.",
        "Since A is too small, B is correct.",
        "choice B is the answer",
        "Therefore, B.",
        "Hence (B)",
        "It can't be A, so B",
        "A, C and D are wrong, so B.",
        "Thus the answer must be (B).",
        "answer is B - 12 apples",
        "The answer is 12 apples, which is option B.",
        "The answer is 12 apples (B).",
        "The answer is B (A is close).",
        "Which option is correct? (B)",
        "The answer choices are A, B, C and D. The answer is B",
        "Let x be A. Answer: B. Check: A is 5.",
        # of SmolLM2-135M-Instruct
        "2. The answer is one of the options B) helium.\n\n6) A good solution would be to consider the gases.",
        "I said B) Paris",
        '4. There are 4 days, so we multiply 4 by 7 to get the answer: 4.\n\nSo answer: "B"',
        "2. The answer is B) Rome\n- We can check if the answer is indeed B) Rome. It is not the answer we wanted.",
        # the last statement, whatever is mentioned after it
        "The answer is A. Wait, no, it's B.",
        "The answer is A.\nLet me check. The answer is B.",
        "Answer: B\nExplanation: (A) is too small, (C) too large.",
        "The answer is B. A is wrong because it is small.",
        "The correct answer would be A if the sum was 5. Answer: B",
        "(A) is too small.\n(B) is right, since 12.\n(C) is too large.\nThe answer is B",
        "I don't think the answer is A. The answer is B.",
        "The answer is not A but B.",
        # a thought, another problem, the end of a turn
        "<think>Answer: A</think>The answer is B",
        "The answer is: B\n\nQuestion: next?\nA) 1\nC) 2\nAnswer: C",
        "B\n\nQuestion: next?\nAnswer: C",
        "Question: Again?\nA) 1\nB) 2\nAnswer: B",
        "Answer: B<|im_end|>Answer: C",
    ],
)
def test_the_letter_b(text):
    assert extract(text) == "B"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("A", "A"),
        ("a", "A"),
        ("A) the moon", "A"),
        ("The answer is a", "A"),
        ("The answer is A because it is large.", "A"),
        ("The correct answer is A) a triangle", "A"),
        ("The answer is (A) a triangle", "A"),
        ("Correct answer: A) 12", "A"),
        ("Plug in: A = 5 and B = 7. So the answer is D", "D"),
        ("The answer is Z.", "Z"),
    ],
)
def test_other_letters(text, answer):
    assert extract(text) == answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12",
        "It is 12.",
        # words and variables
        "The answer is a triangle.",
        "The answer is A triangle",
        "Answer: A a triangle",
        "A train travels 5 miles.",
        "A the moon",
        "The answer is I think too large",
        "I think it is oxygen.",
        "I. Think",
        "E. coli is a bacterium that lives in the gut.\nIt is harmless.",
        "Answer: vitamin C",
        "The answer is x + 3.",
        "We choose a number.",
        "so A is wrong.",
        r"\boxed{12}",
        # several letters
        "A) 5\nB) 12\nC) 7",
        "A) Mercury\n\nOption A: A planet is one of the four.\nD) Earth",
        "3. Assume it is 120 mph.\n\nA) 60 mph\nB) 120 mph\nC) 2 mph\nD) 2 mph",
        "A\nB\nC",
        "The answer is A or B.",
        "The answer is A/B",
        "The answer is A and C",
        "The answer is A, B, and C.",
        "The correct answers are A and C.",
        "The answer is both A and B",
        "Both A and B.",
        "Options A and C are right",
        r"\boxed{A, C}",
        r"\boxed{A} and \boxed{B}",
        "The answer is B, but it could also be C.",
        # none, denials and questions
        "The answer is none of these.",
        "The answer is not B.",
        "I don't think the answer is B.",
        "Is the answer B?",
        "<think>The answer is B",
    ],
)
def test_no_letter(text):
    assert extract(text) is None


def test_letters_are_compared_whatever_their_case_and_a_letter_that_was_not_offered_is_wrong():
    texts = ["answer: b", "Answer: F", "none", "B or C"]
    assert verify(texts, ["B"] * 4, "text", "choice") == (["B", "F", None, None], [True, False, False, False])
    assert equal("b", "B") and not equal(None, "B") and not equal("12", "12")


@pytest.mark.parametrize("value", ["B", "b", "(B)", "B)", " B. ", "[b]"])
def test_a_gold_letter(value):
    assert canonical(value) == "B"


@pytest.mark.parametrize("value", ["12", "AB", "", "B apples", None, 1, True, ["B"], "β"])
def test_no_gold_letter(value):
    assert canonical(value) is None


def test_the_question_shows_its_options():
    question = with_options("How many?\n", ["5", "12\napples", "7"])
    assert question == "How many?\nA) 5\nB) 12 apples\nC) 7"
    assert offered(question) == "ABC"
    assert offered("A) x\nWhich?\nA. one\nB. two") == "AB"
    assert offered("Which? (A) one (B) two (C) three (D) four (E) five") == "ABCDE"
    assert offered("Which one?") == offered("Plan A (a) and B") == "ABCD"
    with pytest.raises(ValueError, match="27 options, but only 26 letters"):
        with_options("?", ["x"] * 27)


QUESTION = with_options("How many?", ["5", "12", "7"])


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("B is more than A: 12.\nThe answer is (B).", "B is more than A: 12.\nThe answer is (C)."),
        ("5 + 7 = 12\n#### B", "5 + 7 = 12\n#### C"),
        ("Answer: B\nBecause 12.", "Answer: C\nBecause 12."),
        ("answer: b", "answer: b\nThe answer is (C)."),
    ],
)
def test_a_solution_that_leads_to_another_letter(text, wrong):
    assert TYPE.restate(text, "B", "C") == wrong
    assert extract(wrong) == "C"


def test_wrong_letters_are_those_of_the_other_options():
    assert TYPE.wrong("B", QUESTION) == ["A", "C"]
    assert TYPE.several("B", QUESTION) == ["A", "B", "C"]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["answer", " is ", "the ", "(", ")", "A", "b", ".", "\n", "\\boxed{", "}", "so ", "or", ", ", "? ", "**"]
        )
        | st.text(max_size=5)
    ).map("".join)
)
def test_any_text_has_a_letter_or_none(text):
    answer = extract(text)
    assert answer is None or canonical(answer) == answer


@pytest.mark.parametrize(
    "part", ["the answer is ", "answer to the ", "A, ", "A)\n", "so, ", "\\boxed{", "Question: x\n", "{", "\n"]
)
def test_time_is_linear_in_the_text(part):
    started = time.process_time()
    extract(part * (50_000 // len(part)))
    assert time.process_time() - started < 20  # quadratic time would be minutes
