"""The judge behind HTTP: the openai client against a small server in this process, which can fail in every way."""

import math
from types import SimpleNamespace

import pytest

from gavel.common.errors import InputError
from gavel.judge.backends import server as backend
from gavel.training.rl.rewards import LambdaSchedule, MissingRewards, MixedReward, RewardRules
from helpers.judge_scores import scores_of
from helpers.judge_server import LISTED, WholeReply, connect, serving


@pytest.mark.parametrize(("chat", "counts", "expected"), [(False, True, 4 * 7), (True, True, 4 * 7), (True, False, 0)])
def test_tokens_are_counted_where_the_server_counts_them(chat, counts, expected):
    with serving(lambda prompt: LISTED, counts) as server:
        asked = connect(server, chat=chat)
        asked.verdicts(["1+1?", "1+1?", "2+2?"], ["2", "3", "4"])  # and once to check the labels
        assert asked.usage.read == expected


@pytest.mark.parametrize("chat", [False, True])
def test_the_score_is_the_renormalised_probability(chat):
    with serving(lambda prompt: LISTED) as server:
        verdict = connect(server, chat=chat).verdicts(["1+1?"], ["2"])[0]
    assert verdict.score == pytest.approx(0.6 / 0.8)
    assert verdict.off_label == pytest.approx(0.2)
    _, body = server.bodies  # the first is the check of the labels
    assert body["max_tokens"] == 1
    assert (body["top_logprobs"] if chat else body["logprobs"]) == 20


@pytest.mark.parametrize("chat", [False, True])
def test_two_solutions_are_held_against_each_other_over_http(chat):
    """The server likes solution 9, and the first place a little."""

    def reply(prompt):
        ahead = prompt.find("9") < prompt.find("3")
        return {" A": math.log(0.8 if ahead else 0.3), " B": math.log(0.2 if ahead else 0.7)}

    with serving(reply) as server:
        asked = connect(server, kind="pairwise", chat=chat)
        scores = scores_of(asked, ["q", "q"], ["3", "9"])
        assert scores == pytest.approx([0.25, 0.75])
        assert asked.usage.prompts == 2
        assert asked.verdicts(["q", "q"], ["3", "9"])[0].compared.first == pytest.approx(0.55)
    assert len(server.bodies) == 1 + 2 * 2  # the check of the labels


def test_comparisons_that_a_server_refuses_are_missing():
    with serving(lambda prompt: 400 if "7" in prompt else {" A": math.log(0.6), " B": math.log(0.4)}) as server:
        scores = scores_of(connect(server, kind="pairwise"), ["q"] * 4, ["3", "9", "5", "7"])
    assert scores == pytest.approx([0.5, 0.5, 0.5, None])


def test_answers_come_back_in_order_whatever_the_concurrency():
    with serving(
        lambda prompt: {" Yes": math.log((1 + int(prompt.split("s")[-1][0])) / 20), " No": math.log(0.5)}
    ) as server:
        single = connect(server)
        single.templates = ["{question}s{solution}"]
        found = scores_of(single, ["q"] * 9, [str(i) for i in range(9)])
    expected = [(1 + i) / 10 for i in range(9)]
    assert found == pytest.approx([p / (p + 1) for p in expected])


def test_a_label_that_is_not_listed_counts_as_nothing():
    with serving(lambda prompt: {" Yes": -0.1, " Perhaps": -3.0}) as server:
        assert scores_of(connect(server), ["q"], ["s"]) == [1.0]


def test_labels_that_the_server_never_lists_are_an_error():
    message = r"neither of \[' Yes', ' No'\] .* \('Yes', 'No'\)"
    with serving(lambda prompt: {"Yes": -0.1, "No": -3.0}) as server, pytest.raises(InputError, match=message):
        scores_of(connect(server), ["q"], ["s"])


def test_without_either_label_the_answer_is_unknown(capsys):
    with serving(lambda prompt: LISTED if "good" in prompt or "1+1" in prompt else {"Well": -0.1}) as server:
        assert scores_of(connect(server), ["q"] * 2, ["bad", "good"]) == [None, pytest.approx(0.75)]
    assert "no label word among the listed tokens: 'Well'" in capsys.readouterr().err


def test_an_overloaded_server_is_asked_again():
    replies = iter([LISTED, 429, 503, LISTED])  # the first is for the check of the labels
    with serving(lambda prompt: next(replies)) as server:
        assert scores_of(connect(server, retries=3), ["q"], ["s"]) == [pytest.approx(0.75)]
    assert len(server.bodies) == 4


def test_what_could_not_be_asked_is_missing_and_said(capsys):
    with serving(lambda prompt: 500 if "bad" in prompt else LISTED) as server:
        assert scores_of(connect(server), ["q", "q"], ["good", "bad"]) == [pytest.approx(0.75), None]
    assert "1 of 2 answers missing (InternalServerError" in capsys.readouterr().err


def test_a_prompt_that_is_refused_costs_no_other():
    with serving(lambda prompt: 400 if "bad" in prompt else LISTED) as server:
        found = scores_of(connect(server, concurrency=1), ["q"] * 9, ["bad", "bad", *"1234567"])
    assert found == [None, None, *[pytest.approx(0.75)] * 7]


def with_choice(chat, usage=None, **choice) -> WholeReply:
    """A reply whose only choice is as given, which is well-formed where nothing is given."""
    entries = [{"token": token, "logprob": value} for token, value in LISTED.items()]
    good = {"content": [entries[0] | {"top_logprobs": entries}]} if chat else {"top_logprobs": [LISTED]}
    made = {"index": 0, "logprobs": good} | ({"message": {"content": "2"}} if chat else {"text": "2"})
    return WholeReply({"choices": [made | choice]} | ({} if usage is None else {"usage": usage}))


def listing(chat, found: dict) -> WholeReply:
    """A reply that lists these log-probabilities, whatever they are."""
    entries = [{"token": token, "logprob": value} for token, value in found.items()]
    return with_choice(chat, logprobs={"content": [{"top_logprobs": entries}]} if chat else {"top_logprobs": [found]})


HTML = b"<html><body>502 Bad Gateway</body></html>"
ONE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: "
MALFORMED = {
    "a page of HTML": lambda chat: ONE_HEAD + b"text/html\r\n\r\n" + HTML,
    "HTML called JSON": lambda chat: HTML,
    "an empty body": lambda chat: ONE_HEAD + b"application/json\r\nContent-Length: 0\r\n\r\n",
    "half a document": lambda chat: b'{"choices": [{"index": 0, "logp',
    "a connection cut off": lambda chat: ONE_HEAD + b'application/json\r\nContent-Length: 900\r\n\r\n{"choices": [',
    "no UTF-8": lambda chat: b'{"choices": "\xff\xfe\xff"}',
    "no gzip": lambda chat: ONE_HEAD + b"application/json\r\nContent-Encoding: gzip\r\n\r\n{}",
    "too deep": lambda chat: b"[" * 100_000,
    "a redirect to a page": lambda chat: b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n",
    "a redirect nowhere": lambda chat: b"HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\n\r\n",
    "a redirect to itself": lambda chat: b"HTTP/1.1 307 T\r\nLocation: ?again\r\nContent-Length: 0\r\n\r\n",
    "null": lambda chat: WholeReply(None),
    "a number": lambda chat: WholeReply(7),
    "a list": lambda chat: WholeReply([]),
    "nothing in it": lambda chat: WholeReply({}),
    "an error": lambda chat: WholeReply({"error": {"message": "overloaded"}}),
    "an error in words": lambda chat: WholeReply({"error": "overloaded"}),
    "no choices": lambda chat: WholeReply({"choices": []}),
    "null choices": lambda chat: WholeReply({"choices": None}),
    "choices by number": lambda chat: WholeReply({"choices": {"0": {}}}),
    "a null choice": lambda chat: WholeReply({"choices": [None]}),
    "no log-probabilities": lambda chat: with_choice(chat, logprobs=None),
    "log-probabilities in words": lambda chat: with_choice(chat, logprobs="high"),
    "empty log-probabilities": lambda chat: with_choice(chat, logprobs={}),
    "empty content": lambda chat: with_choice(chat, logprobs={"content": [], "top_logprobs": []}),
    "null content": lambda chat: with_choice(chat, logprobs={"content": [None], "top_logprobs": [None]}),
    "an empty list": lambda chat: listing(chat, {}),
    "a null log-probability": lambda chat: listing(chat, LISTED | {" No": None}),
    "a log-probability in words": lambda chat: listing(chat, LISTED | {" No": "-0.5"}),
    "a truth value": lambda chat: listing(chat, LISTED | {" No": False}),
    "NaN": lambda chat: listing(chat, LISTED | {" Yes": math.nan}),
    "NaN of another token": lambda chat: listing(chat, LISTED | {" Maybe": math.nan}),
    "infinity": lambda chat: listing(chat, LISTED | {" Yes": math.inf}),
    "a huge integer": lambda chat: listing(chat, LISTED | {" Yes": -(10**400)}),
    "above 0": lambda chat: listing(chat, {" Yes": 0.7, " No": -3.0}),
    "more than 1 in all": lambda chat: listing(chat, {" Yes": -0.1, " No": -0.1}),
    "empty usage": lambda chat: with_choice(chat, usage={}),
    "half of usage": lambda chat: with_choice(chat, usage={"prompt_tokens": 7}),
    "null counts": lambda chat: with_choice(chat, usage={"prompt_tokens": None, "completion_tokens": 1}),
    "counts in words": lambda chat: with_choice(chat, usage={"prompt_tokens": "7", "completion_tokens": 1}),
    "negative counts": lambda chat: with_choice(chat, usage={"prompt_tokens": -7, "completion_tokens": 1}),
}


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("fault", MALFORMED)
def test_a_malformed_reply_is_a_missing_answer(fault, chat, capsys):
    with serving(lambda prompt: LISTED if "1+1" in prompt else MALFORMED[fault](chat)) as server:
        found = connect(server, chat=chat).verdicts(["1+1?", "q"], ["2", "s"])
    assert [verdict.score for verdict in found] == [pytest.approx(0.75), None]
    assert "1 of 2 answers missing (" in capsys.readouterr().err


# How vLLM, llama.cpp's server and Python's own encoder write the logarithm of 0.
IMPOSSIBLE = {"vllm": -9999.0, "llama.cpp": -3.4028234663852886e38, "python": -math.inf}


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("server", IMPOSSIBLE)
def test_a_label_that_cannot_be_has_a_probability_of_0(server, chat, capsys):
    never = IMPOSSIBLE[server]
    replies = {"no": LISTED | {" Yes": never}, "yes": LISTED | {" No": never}, "other": LISTED | {" Maybe": never}}
    replies |= {"neither": {"Well": -0.1, " Yes": never, " No": never}, "alone": {"Well": -0.1, " No": never}}

    def reply(prompt):
        return listing(chat, next((found for name, found in replies.items() if name in prompt), LISTED))

    with serving(reply) as asked:
        found = connect(asked, chat=chat).verdicts(["1+1?"] * 3, ["<no>", "<yes>", "<other>"])
        assert [verdict.score for verdict in found] == pytest.approx([0, 1, 0.75])
        for name, said in (("neither", "' Yes' and ' No' is 0"), ("alone", "' No' is 0")):
            assert connect(asked, chat=chat).verdicts(["1+1?"], [f"<{name}>"])[0].score is None
            error = capsys.readouterr().err
            assert f"1 of 1 answers missing (the probability of {said}; listed tokens: 'Well', " in error


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("fault", ["a page of HTML", "no choices", "NaN", "empty usage"])
def test_a_malformed_reply_is_asked_for_again(fault, chat, monkeypatch):
    monkeypatch.setattr(backend, "MIN_WAIT_S", 0.01)
    replies = iter([LISTED, MALFORMED[fault](chat), MALFORMED[fault](chat), LISTED])
    with serving(lambda prompt: next(replies)) as server:
        assert scores_of(connect(server, chat=chat, retries=2), ["q"], ["s"]) == [pytest.approx(0.75)]
    assert len(server.bodies) == 4


def test_a_server_that_names_a_wait_is_asked_again_after_it(monkeypatch):
    waits = []
    monkeypatch.setattr(backend, "time", SimpleNamespace(sleep=waits.append))
    busy = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
    replies = iter([LISTED, busy, 503, MALFORMED["no choices"](False), LISTED])
    with serving(lambda prompt: next(replies)) as server:
        assert scores_of(connect(server, retries=4), ["q"], ["s"]) == [pytest.approx(0.75)]
    assert waits == [7, 1, 2]


def test_the_first_reply_of_all_may_be_malformed_too():
    replies = iter([MALFORMED["a page of HTML"](False), LISTED])
    with serving(lambda prompt: next(replies)) as server:
        assert scores_of(connect(server), ["q"], ["s"]) == [pytest.approx(0.75)]


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize(
    "choice",
    [{"message": None, "text": None}, {"message": {"content": None}, "text": 7}, {"message": {}, "text": ["a"]}],
)
def test_a_reasoning_that_is_no_text_is_missing(choice, chat):
    with serving(lambda prompt: LISTED) as server:
        asked = connect(server, chat=chat, reasoning={"max_new_tokens": 8})
        server.reply = lambda prompt: with_choice(chat, **choice)
        assert scores_of(asked, ["q"], ["s"]) == [None]


def test_malformed_replies_follow_the_rule_for_missing_rewards():
    step = {"question": ["q"] * 4, "gold": ["1", "1", None, None]}
    with serving(lambda prompt: LISTED) as server:
        missing = MissingRewards(0.25, max_skipped=1)
        reward = MixedReward(LambdaSchedule(0.5), connect(server), RewardRules("text"), missing)
        assert None not in reward(["#### 1", "#### 2", "a", "b"], **step) and not missing.skip
        server.reply = lambda prompt: MALFORMED["NaN"](False)
        assert reward(["#### 3", "#### 4", "c", "d"], **step) == [None] * 4 and missing.skip
        with pytest.raises(InputError, match="could not be asked: 100% of the rewards are missing"):
            reward(["#### 5", "#### 6", "e", "f"], **step)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_key_or_model_is_an_error(status):
    with serving(lambda prompt: status) as server, pytest.raises(InputError, match="rejects key or model 'm'"):
        scores_of(connect(server), ["q"], ["s"])


def test_a_dead_server_is_not_asked_a_thousand_times(capsys):
    with serving(lambda prompt: 503) as server:
        found = scores_of(connect(server), ["q"] * 1000, [str(i) for i in range(1000)])
        asked = len(server.bodies)
    assert found == [None] * 1000
    assert asked < 4 * 4 * 3  # four at a time, in four parts, and what was under way when the fourth failed
    assert "256 of 256 answers missing (InternalServerError" in capsys.readouterr().err


def test_only_answers_are_kept(tmp_path):
    cache = str(tmp_path / "answers.sqlite")
    replies = iter([LISTED, 500, LISTED])
    with serving(lambda prompt: next(replies)) as server:
        single = connect(server, cache=cache)
        assert scores_of(single, ["q"], ["s"]) == [None]
        assert scores_of(single, ["q"], ["s"]) == [pytest.approx(0.75)]
        assert scores_of(single, ["q"], ["s"]) == [pytest.approx(0.75)]
    assert len(server.bodies) == 3


def test_a_server_that_dies_stops_training_after_so_many_steps():
    logged = []
    missing = MissingRewards(0.25, max_skipped=2)
    with serving(lambda prompt: LISTED) as server:
        reward = MixedReward(LambdaSchedule(0.5), connect(server, timeout_s=2.0), RewardRules("text"), missing)
        step = {"question": ["q"] * 4, "gold": ["1", "1", None, None], "log_metric": lambda *m: logged.append(m)}
        assert None not in reward(["#### 1", "#### 2", "a", "b"], **step)
    for _ in range(2):
        assert reward(["#### 1", "#### 2", "c", "d"], **step) == [None] * 4
        assert missing.skip
    assert ("missing", 1.0) in logged
    with pytest.raises(InputError, match=r"could not be asked.*to resume from the last checkpoint"):
        reward(["#### 3", "#### 4", "e", "f"], **step)
