"""Chat templates before the label: a thought that one opens is refused, or closed by an argument of the template."""

import json
import math
import shutil

import pytest

from gavel.common.errors import InputError
from gavel.judge import load
from gavel.judge.prompting import apply_template, check_template, example, open_thought, phrasings
from gavel.models import loading
from gavel.study.checks import check_tokenizers as check
from gavel.study.schema.study import load as load_config
from helpers.configs import default
from helpers.judge_scores import scores_of
from helpers.judge_server import LISTED, connect, serving

TURN = "{% for message in messages %}{{ message.role }}: {{ message.content | trim }}\n{% endfor %}assistant:\n"
OPENS = TURN + "<think>\n"
ASKS = TURN + "{% if enable_thinking is not defined or enable_thinking %}<think>\n{% endif %}"
CLOSES = (
    TURN
    + "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% else %}<think>{% endif %}"
)
PROMPT = "Question: {question} <think> here? {solution}\n"


@pytest.fixture
def chatty(tiny, tmp_path):
    """A folder of the tiny model with a chat template."""

    def make(template: str) -> str:
        folder = tmp_path / "chatty"
        shutil.copytree(tiny, folder, dirs_exist_ok=True)
        settings = json.loads((folder / "tokenizer_config.json").read_text())
        (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"chat_template": template}))
        return str(folder)

    return make


@pytest.mark.parametrize(
    "mark",
    "<think> <thinking> <thought> <reasoning> [THINK] ◁think▷ <|think|> <|START_THINKING|> <seed:think> <THINK> "
    "<|channel|>analysis <unused94>thought".split(),
)
def test_a_template_that_opens_a_thought_is_refused(chatty, mark):
    folder = chatty(TURN + mark + "\n")
    with pytest.raises(
        InputError, match=r"^judge.prompting.chat: .* opens a thought .* before the label.*chat_template_kwargs"
    ):
        load.load(model=folder, chat=True)
    load.load(model=folder)  # without the template nothing is opened


def test_the_first_check_of_a_study_refuses_it_too(tiny, chatty):
    asked = {"kind": "single-token", "prompt": "judge", "labels": [" Yes", " No"], "swap_labels": False, "chat": True}
    asked |= {"model": chatty(ASKS)}
    with pytest.raises(InputError, match=r"opens a thought \(<think>\) .*it reads enable_thinking\)"):
        check({"model": tiny}, asked, {"prompt": "solve"})
    check({"model": tiny}, asked | {"chat_template_kwargs": {"enable_thinking": False}}, {"prompt": "solve"})


@pytest.mark.parametrize("template", [ASKS, CLOSES])
def test_an_argument_of_the_template_closes_the_thought(chatty, template):
    folder = chatty(template)
    with pytest.raises(InputError, match="opens a thought"):
        load.load(model=folder, chat=True)
    with pytest.raises(InputError, match="opens a thought"):
        load.load(model=folder, chat=True, chat_template_kwargs={"enable_thinking": True})
    asked = load.load(model=folder, chat=True, chat_template_kwargs={"enable_thinking": False})
    assert 0 < scores_of(asked, ["1+1?"], ["2"])[0] < 1
    (prompt,) = asked.render("1+1?", "2")
    assert open_thought(asked.backend.apply_template(prompt)) is None
    assert asked.backend.apply_template(prompt).startswith("user: ")


def test_a_judge_that_reasons_is_refused_too(chatty):
    """Its label would stand in a thought that may never be closed."""
    with pytest.raises(InputError, match="opens a thought"):
        load.load(model=chatty(OPENS), chat=True, prompt="reasoning", reasoning={"max_new_tokens": 8})


def test_what_the_prompt_itself_says_of_thoughts_does_not_count(chatty, tmp_path):
    (tmp_path / "own.txt").write_text(PROMPT)
    load.load(model=chatty(TURN), chat=True, prompt=str(tmp_path / "own.txt"))


def test_an_argument_that_the_template_does_not_read_is_refused(chatty):
    message = r"judge.prompting.chat_template_kwargs.enable_thinkng: .* does not read it; it reads enable_thinking$"
    with pytest.raises(InputError, match=message):
        load.load(model=chatty(ASKS), chat=True, chat_template_kwargs={"enable_thinkng": False})


def test_a_template_that_fails_is_an_error_of_one_line(chatty):
    folder = chatty(TURN + "{{ raise_exception('no system role') }}")
    with pytest.raises(InputError, match=r"judge.prompting.chat: .* cannot be filled in \(no system role\)"):
        load.load(model=folder, chat=True)


def test_arguments_make_other_answers(chatty, tmp_path):
    """Kept answers are those of the same template and arguments."""
    folder = chatty(TURN + "{% if short %}short{% endif %}")
    plain, short = (load.load(model=folder, chat=True, chat_template_kwargs=given) for given in ({}, {"short": True}))
    assert plain.backend.identity != short.backend.identity
    assert plain.backend.apply_template("q") + "short" == short.backend.apply_template("q")


def test_a_server_gets_the_arguments():
    with serving(lambda prompt: LISTED) as server:
        asked = connect(server, chat=True, chat_template_kwargs={"enable_thinking": False})
        asked.verdicts(["q"], ["s"])
        plain = connect(server, chat=True)
        plain.verdicts(["q"], ["s"])
        reasoning = connect(
            server, chat=True, chat_template_kwargs={"enable_thinking": False}, reasoning={"max_new_tokens": 4}
        )
        reasoning.verdicts(["q"], ["s"])
    first, _, other, *_ = server.bodies
    assert first["chat_template_kwargs"] == {"enable_thinking": False}
    assert "chat_template_kwargs" not in other
    assert server.bodies[-1]["chat_template_kwargs"] == {"enable_thinking": False}
    assert server.bodies[-1]["continue_final_message"] is True
    assert asked.backend.identity != plain.backend.identity


def test_a_server_whose_model_begins_a_thought_is_refused():
    listed = {"<think>": math.log(0.9), "Yes": math.log(0.05), " Yes": math.log(0.01)}
    with serving(lambda prompt: listed) as server, pytest.raises(InputError, match=r"opens a thought \(<think>\)"):
        connect(server, chat=True).verdicts(["q"], ["s"])
    with (
        serving(lambda prompt: {"Okay": -0.1, "Alright": -3.0}) as server,
        pytest.raises(InputError, match=r"if they begin a thought, close it with judge.prompting.chat_template_kwargs"),
    ):
        connect(server, chat=True).verdicts(["q"], ["s"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"chat_template_kwargs": {"enable_thinking": False}},
            "judge.prompting: chat_template_kwargs: .* write `chat: true`",
        ),
        ({"chat": True, "chat_template_kwargs": {"tokenize": True}}, "'tokenize' is set by Gavel itself"),
        ({"chat": True, "chat_template_kwargs": {"a": [1]}}, "judge.prompting.chat_template_kwargs.a"),
    ],
)
def test_arguments_that_cannot_be_are_refused_by_the_config(changes, message):
    raw = default()
    raw["judge"] = raw["judge"] | {"prompting": changes}
    with pytest.raises(InputError, match=message):
        load_config(raw)


def test_the_config_hands_arguments_on():
    from gavel.study import params

    raw = default()
    raw["judge"] |= {"prompting": {"chat": True, "chat_template_kwargs": {"enable_thinking": False, "level": 2}}}
    assert params.judge(load_config(raw))["chat_template_kwargs"] == {"enable_thinking": False, "level": 2}


def test_a_prompt_between_chat_marks_is_found_whatever_its_blanks(tiny, chatty):
    tokenizer = loading.load_tokenizer(chatty(TURN))
    text = example(phrasings("judge", [" Yes", " No"], False, ("question", "solution"))[0], ("question", "solution"))
    check_template(tokenizer, text)
    assert apply_template(tokenizer, text, True).endswith("right?\nassistant:")
