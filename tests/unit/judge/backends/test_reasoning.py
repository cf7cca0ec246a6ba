"""Judges that write before they answer: what is asked, how reasonings vote, what it costs."""

import pytest

from gavel.common.errors import InputError
from gavel.judge import load
from gavel.judge.backends.base import LabelProbabilities, Writer
from gavel.judge.backends.reasoning import Reasoning, strip_verdict
from gavel.judge.pairwise import PairwiseJudge
from gavel.judge.prompting import example, phrasings, render
from gavel.judge.single_token import SingleTokenJudge
from gavel.judge_eval.benchmark import written_judgments
from gavel.judge_eval.records import WrittenJudgment
from gavel.study.schema.study import load as load_config
from helpers.configs import default
from helpers.judge_server import LISTED, connect, serving
from helpers.typed_rows import assert_typed


class ByRule(Writer):
    """Writes a number, and answers that the solution is right if it is that number."""

    identity = "by rule"
    tokens_written = 0

    def __init__(self, replies=lambda prompt, place: "2\n", missing=()):
        self.replies, self.missing = replies, missing
        self.texts, self.groups = [], []

    def write(self, texts, *, n, stop, **settings):
        self.settings, self.stop = settings, stop
        self.tokens_written += n * len(texts)
        return [[None if place in self.missing else self.replies(text, place) for place in range(n)] for text in texts]

    def answers(self, texts, groups):
        self.texts += texts
        self.groups += groups
        return [self._answer(prompt, begun) for prompt, begun in texts]

    def _answer(self, prompt, begun):
        solution, own = prompt.split("\n")[2], begun.split("\n")[0]
        return LabelProbabilities(0.8, 0.1) if solution == own else LabelProbabilities(0.2, 0.6)


def single(writer, **settings):
    return SingleTokenJudge(Reasoning(writer, **settings), prompt="reasoning", reasons=True)


def test_the_verdict_stands_after_the_reasoning():
    writer = ByRule()
    right, wrong = single(writer).verdicts(["1+1?"] * 2, ["2", "3"])
    assert writer.texts[0] == (
        "Question: 1+1?\nAnswer:\n2\nMy own solution:\n",
        "2\nIs this answer right?",
    )
    assert right.score == pytest.approx(8 / 9) and right.off_label == pytest.approx(0.1)
    assert wrong.score == pytest.approx(0.25)
    assert writer.settings == {"max_new_tokens": 512, "temperature": 0.7, "seed": 0}
    assert writer.stop == ["\nIs this answer right?"] * 2


def test_what_the_model_writes_beyond_its_reasoning_is_left_out():
    """A model that has learnt the form goes on to cue and verdict by itself; the prompt's own stand there instead."""
    writer = ByRule(lambda prompt, place: "2\nIs this answer right? No\nQuestion: and so on")
    (verdict,) = single(writer).verdicts(["1+1?"], ["2"])
    assert writer.texts[0][1] == "2\nIs this answer right?" and verdict.says_right
    assert strip_verdict("2 \n", "\nVerdict:") == "2" and strip_verdict("2\n", "") == "2"


@pytest.mark.parametrize(("vote", "expected"), [("mean", (8 + 2 + 2) / (9 + 8 + 8) * 1), ("majority", 1 / 3)])
def test_reasonings_vote(vote, expected):
    writer = ByRule(lambda prompt, place: "213"[place])
    (verdict,) = single(writer, samples=3, vote=vote).verdicts(["1+1?"], ["2"])
    assert verdict.score == pytest.approx(expected)
    assert verdict.off_label == pytest.approx((0.1 + 0.2 + 0.2) / 3)
    assert len(set(writer.groups)) == 1, "the prompt is computed once for its reasonings"


def test_an_even_vote_is_half_for_each():
    (verdict,) = single(ByRule(lambda prompt, place: "23"[place]), samples=2, vote="majority").verdicts(["?"], ["2"])
    assert verdict.score == pytest.approx(0.5)


def test_missing_reasonings():
    """Half of them are enough to answer; fewer are none."""
    for missing, asked in (({0}, True), ({0, 1}, True), ({0, 1, 2}, False)):
        (verdict,) = single(ByRule(missing=missing), samples=4).verdicts(["1+1?"], ["2"])
        assert (verdict.score is not None) == asked
    (nothing,) = single(ByRule(missing={0})).verdicts(["1+1?"], ["2"])
    assert nothing.score is None


def test_two_solutions_are_compared_after_a_reasoning():
    class Comparing(ByRule):
        def _answer(self, prompt, begun):
            first, second, own = prompt.split("\n")[2], prompt.split("\n")[4], begun.split("\n")[0]
            return LabelProbabilities(0.9 * (first == own) + 0.05, 0.9 * (second == own) + 0.05)

    writer = Comparing()
    judge = PairwiseJudge(Reasoning(writer), prompt="pairwise-reasoning", reasons=True)
    (held,) = judge.compare([("1+1?", "3", "2")])
    assert held.probability == pytest.approx(0.05) and not held.flipped
    assert [prompt for prompt, _ in writer.texts] == [
        f"Question: 1+1?\nAnswer A:\n{a}\nAnswer B:\n{b}\nMy own solution:\n" for a, b in ("32", "23")
    ]
    assert writer.texts[0][1] == "2\nThe better answer is answer"


def test_answers_are_kept_by_the_settings_of_the_reasoning(tmp_path):
    def ask(**settings):
        writer = ByRule()
        judge = SingleTokenJudge(
            Reasoning(writer, **settings), prompt="reasoning", reasons=True, cache=str(tmp_path / "kept.sqlite")
        )
        judge.verdicts(["1+1?"], ["2"])
        return judge.usage.written

    assert [ask(), ask(), ask(samples=2), ask(samples=2), ask(seed=1)] == [1, 0, 2, 0, 1]


def test_the_slot_belongs_to_judges_that_reason():
    with pytest.raises(InputError, match=r"'reasoning' has a slot \{reasoning\}; set judge.reasoning"):
        phrasings("reasoning", (" Yes", " No"), False, ("question", "solution"))
    with pytest.raises(InputError, match=r"has no slot \{reasoning\}"):
        phrasings("judge", (" Yes", " No"), False, ("question", "solution"), reasons=True)
    assert render("{question}", question="{reasoning}") == "{reasoning}", "a question's own braces are no slot"
    assert example("{question} {reasoning} so", ("question",)) == ("What is 1+1? ", "2 so")


def test_a_real_model_reasons_the_same_alone_and_in_company(tiny, rows):
    questions, solutions = [row["question"] for row in rows[:6]], [row["program"] for row in rows[:6]]
    reasoning = {"max_new_tokens": 12, "samples": 3}
    judge = load.load(model=tiny, reasoning=reasoning)
    together = judge.verdicts(questions, solutions)
    alone = load.load(model=tiny, reasoning=reasoning).verdicts(questions[2:3], solutions[2:3])
    assert alone[0].score == pytest.approx(together[2].score, abs=1e-5)
    assert all(0 < verdict.score < 1 for verdict in together)
    assert 0 < judge.usage.written <= 6 * 3 * 12
    asked = [
        len(judge.in_process_backend.tokenizer(judge.render(*pair)[0][0])["input_ids"])
        for pair in zip(questions, solutions, strict=True)
    ]
    assert judge.usage.read > sum(asked) * 4, "each prompt once to write and once with each reasoning"
    other = load.load(model=tiny, reasoning=reasoning | {"seed": 1}).verdicts(questions, solutions)
    assert [v.score for v in other] != [v.score for v in together]
    greedy = load.load(
        model=tiny, kind="pairwise", labels=(" Yes", " No"), reasoning=reasoning | {"samples": 1, "temperature": 0}
    )
    assert greedy.compare([(questions[0], solutions[0], solutions[1])])[0].probability > 0


@pytest.mark.parametrize("chat", [False, True])
def test_a_server_reasons_and_then_answers(chat):
    with serving(lambda prompt: LISTED, counts=True, text="two\n") as server:
        asked = connect(server, chat=chat, reasoning={"samples": 2, "max_new_tokens": 30, "seed": 5})
        (verdict,) = asked.verdicts(["1+1?"], ["2"])
    assert verdict.score == pytest.approx(0.75)
    _, *bodies = server.bodies  # the first is the check of the labels
    first, second, *answered = sorted(bodies, key=lambda body: (body["max_tokens"] == 1, body.get("seed", 0)))
    assert [first["seed"], second["seed"]] == [5, 6] and first["max_tokens"] == 30
    assert first["stop"] == ["Is this answer right?"]
    head = "Question: 1+1?\nAnswer:\n2\nMy own solution:\n"
    for body in answered:
        if chat:
            user, assistant = body["messages"]
            assert user["content"] == head
            assert assistant == {"role": "assistant", "content": "two\nIs this answer right?"}
            assert body["continue_final_message"] is True and body["add_generation_prompt"] is False
        else:
            assert body["prompt"] == head + "two\nIs this answer right?"
    assert len(answered) == 2
    assert asked.usage.read == 7 * 5 and asked.usage.written == 2


def test_the_config_says_what_cannot_be():
    raw = default()
    raw["judge"] |= {"reasoning": {"samples": 4}}
    assert load_config(raw)["judge"]["prompting"]["prompt"] == "reasoning"
    raw["judge"] |= {"kind": "pairwise", "model": "some/model"}
    assert load_config(raw)["judge"]["prompting"]["prompt"] == "pairwise-reasoning"
    raw["judge"]["reasoning"]["temperature"] = 0
    with pytest.raises(InputError, match="at 0 all 4 samples would be the same"):
        load_config(raw)


ITEMS = [{"id": f"p{i}", "prompt": f"{i}+{i}?", "chosen": f"{2 * i}", "rejected": f"{2 * i + 1}"} for i in range(1, 9)]


def test_what_a_judge_writes_of_a_few_pairs_is_kept_for_readers():
    """Its own solution is always 2, so of the first problem alone it is right about both."""
    rows = written_judgments(single(ByRule(), samples=3), ITEMS, count=8)
    assert len(rows) == 16 and {row["id"] for row in rows} == {one["id"] for one in ITEMS}
    chosen, rejected = (row for row in rows if row["id"] == "p1")
    assert chosen["prompt"] == "Question: 1+1?\nAnswer:\n2\nMy own solution:\n"
    assert chosen["judgment"] == "2\nIs this answer right? Yes" and rejected["judgment"].endswith(" No")
    assert (chosen["label"], chosen["said"], rejected["label"], rejected["said"]) == ("Yes", "Yes", "No", "No")
    assert (chosen["probability"], rejected["probability"]) == pytest.approx((8 / 9, 3 / 4))
    other = next(row for row in rows if row["id"] == "p4" and row["label"] == "Yes")
    assert other["said"] == "No" and other["probability"] == pytest.approx(0.25)
    few = written_judgments(single(ByRule()), ITEMS)
    assert len(few) == 4 and few == written_judgments(single(ByRule()), ITEMS[::-1])
    assert written_judgments(SingleTokenJudge(ByRule()), ITEMS) == []
    assert len(written_judgments(single(ByRule(missing=[0])), ITEMS)) == 0


def test_a_judge_that_compares_writes_about_both_orders(tiny, rows):
    settings = {"model": tiny, "kind": "pairwise", "labels": [" Yes", " No"]}
    judge = load.load(**settings, reasoning={"max_new_tokens": 4, "samples": 2})
    items = [{"id": row["id"], "prompt": row["question"], "chosen": "1", "rejected": "2"} for row in rows[:3]]
    first, second, *_ = rows = written_judgments(judge, items)
    assert_typed(rows, WrittenJudgment)
    assert first["id"] == second["id"] and (first["label"], second["label"]) == ("Yes", "No")
    assert first["prompt"].index("\n1\n") < first["prompt"].index("\n2\n")
    assert second["prompt"].index("\n2\n") < second["prompt"].index("\n1\n")
    for row in (first, second):
        assert row["judgment"].endswith(row["said"]) and "The better answer is answer" in row["judgment"]
        assert (row["said"] == row["label"]) == (row["probability"] > 0.5)
    assert written_judgments(load.load(**settings), items) == []


def test_a_prompt_without_a_place_for_a_reasoning_is_refused():
    with pytest.raises(ValueError, match="no place for a reasoning"):
        Reasoning(ByRule()).answers(["1+1?\n2"], [0])


def test_a_model_that_runs_elsewhere_gives_its_place_to_none():
    judge = single(ByRule())
    with pytest.raises(TypeError, match="ByRule: the judge's model does not run in this process"):
        _ = judge.in_process_backend
    with pytest.raises(TypeError, match="ByRule: its model does not run in this process"):
        judge.with_model(None)
