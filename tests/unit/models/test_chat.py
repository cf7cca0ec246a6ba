"""The student's chat template: one place renders, for SFT, rollouts, calibration, validation and evaluation alike."""

import dataclasses

import pytest
import torch

from gavel.common.errors import InputError
from gavel.common.files import read_json, read_jsonl, write_jsonl
from gavel.evaluation.generate import generate
from gavel.jobs.launch import restore_dataclasses
from gavel.models import loading
from gavel.models.context import check_questions
from gavel.models.loading import Student
from gavel.models.policy import Policy
from gavel.models.sampling import sample
from gavel.models.task import Task, show
from gavel.study.checks import check_tokenizers
from helpers.chat_student import BOS, CHATML, END, START, chat_student

CHAT = Task("solve", "program", 8, chat=True, system="Write Python.")
SOLUTION = dataclasses.asdict(CHAT) | {"batch_seconds": 60.0}
SYSTEM = f"{BOS}{START}system\nWrite Python.{END}\n"


@pytest.fixture(scope="module")
def folder(tiny, tmp_path_factory):
    return chat_student(tiny, tmp_path_factory.mktemp("chat") / "student")


@pytest.fixture
def templated(tiny, tmp_path):
    return lambda template: chat_student(tiny, tmp_path / "templated", template)


def user(question: str) -> str:
    (text,) = Task("solve", "program", 8).prompts([question], None)
    return f"{START}user\n{text.rstrip()}{END}\n{START}assistant\n"


def test_a_prompt_is_a_conversation_up_to_the_reply(folder):
    tokenizer = CHAT.load_tokenizer(Student(), folder)
    assert CHAT.prompts(["2+2?"], tokenizer) == [SYSTEM + user("2+2?")]
    alone = dataclasses.replace(CHAT, system=None)
    assert alone.prompts(["2+2?"], tokenizer) == [BOS + user("2+2?")]
    quiet = dataclasses.replace(alone, chat_template_kwargs={"enable_thinking": False})
    assert quiet.prompts(["2+2?"], tokenizer) == [BOS + user("2+2?") + "<think>\n\n</think>\n\n"]


def test_the_tokenizer_adds_no_second_bos_token(folder):
    tokenizer = CHAT.load_tokenizer(Student(), folder)
    bos = tokenizer.bos_token_id
    prompts = CHAT.prompts(["2+2?"], tokenizer)
    assert tokenizer(prompts)["input_ids"][0][:2] == [bos, bos]  # what would happen
    (ids,) = CHAT.encode(prompts, tokenizer)
    assert (ids[0], ids.count(bos)) == (bos, 1)
    plain = Task("solve", "program", 8)
    (ids,) = plain.encode(plain.prompts(["2+2?"], tokenizer), tokenizer)
    assert (ids[0], ids.count(bos)) == (bos, 1)
    assert CHAT.encode([], tokenizer) == []


def test_the_end_token_is_the_templates_unless_the_config_names_one(folder, capsys):
    assert loading.load_tokenizer(folder).eos_token == "</s>"
    assert CHAT.load_tokenizer(Student(), folder).eos_token == END
    assert f"ends a reply with '{END}'" in capsys.readouterr().err
    assert CHAT.load_tokenizer(Student(eos_token="</s>"), folder).eos_token == "</s>"
    assert Task("solve", "program", 8).load_tokenizer(Student(), folder).eos_token == "</s>"


def test_a_template_without_a_special_token_after_a_reply_keeps_the_end_token(templated):
    folder = templated("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
    assert dataclasses.replace(CHAT, system=None).load_tokenizer(Student(), folder).eos_token == "</s>"


def test_a_policy_samples_after_the_header_and_stops_at_the_end_of_the_turn(folder):
    policy = Policy.load(folder, Student(), CHAT)
    prompts = CHAT.prompts(["2+2?", "3+3?"], policy.tokenizer)
    options = {"n": 3, "temperature": 1.0, "seed": 5, "max_new_tokens": 8}
    wanted = sample(policy.model, policy.tokenizer, prompts, special_tokens=False, **options)
    found = policy.solve(["2+2?", "3+3?"], CHAT, n=3, temperature=1.0, seed=5)
    assert found == wanted
    torch.nn.init.zeros_(policy.model.get_output_embeddings().weight)  # every token is equally likely
    (responses,) = policy.solve(["2+2?"], CHAT, n=400, temperature=1.0)
    end = policy.tokenizer.convert_tokens_to_ids(END)
    assert 0 < sum(one.finished for one in responses) < 400
    for one in responses:
        assert one.finished == (end in one.ids) and end not in one.ids[:-1] and END not in one.text


def test_lengths_are_those_of_the_rendered_prompt(folder):
    tokenizer = CHAT.load_tokenizer(Student(), folder)
    rows = [{"id": "a", "question": "2+2?"}]
    length = len(CHAT.encode(CHAT.prompts(["2+2?"], tokenizer), tokenizer)[0])
    check = {"source": "x", "model": folder, "student": Student(), "task": CHAT}
    check_questions(rows, limit=length + 8, **check)
    with pytest.raises(InputError, match=rf"its prompt has {length} tokens"):
        check_questions(rows, limit=length + 7, **check)


def test_an_evaluation_writes_its_first_prompt(folder, tmp_path, capsys):
    write_jsonl(tmp_path / "q.jsonl", [{"id": "a", "question": "2+2?"}])
    files = [(str(tmp_path / "q.jsonl"), str(tmp_path / "out.jsonl"))]
    options = {"n": 1, "temperature": 1.0, "seed": 0, "prompt_output": str(tmp_path / "prompt.json")}
    generate(model=folder, student=Student(), task=CHAT, files=files, **options)
    assert len(list(read_jsonl(tmp_path / "out.jsonl"))) == 2
    shown = read_json(tmp_path / "prompt.json")
    assert shown["prompt"] == SYSTEM + user("2+2?")
    assert f"first evaluation prompt ({shown['tokens']} tokens):\n{SYSTEM}" in capsys.readouterr().err


def test_what_is_shown_has_the_tokens_that_the_tokenizer_adds(folder):
    tokenizer = loading.load_tokenizer(folder)
    ids = tokenizer(f"a b{END}")["input_ids"]
    assert show("prompt", tokenizer, ids[:2], ids[2:]) == {
        "prompt": tokenizer.decode(ids[:2]),
        "completion": tokenizer.decode(ids[2:]),
        "tokens": len(ids),
    }
    assert show("prompt", tokenizer, ids)["prompt"] == f"{BOS}a b{END}"


REFUSES_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
IGNORES_SYSTEM = "{% for m in messages if m.role != 'system' %}{{ m.content }}{% endfor %}"


@pytest.mark.parametrize(
    ("template", "changes", "message"),
    [
        (None, {}, r"^solution.chat: the student's tokenizer has no chat template; "),
        (CHATML + "{{ raise_exception('broken') }}", {}, r"^solution.chat: .* cannot be filled in \(broken\); check"),
        ("{% for %}", {}, r"^solution.chat: .* is not a valid template \(line 1: "),
        ("{{ messages[9].content.x }}", {"system": None}, r"^solution.chat: .* cannot be filled in \("),
        (REFUSES_SYSTEM + CHATML, {}, r"^solution.system: .* does not accept a system message; leave it out"),
        (IGNORES_SYSTEM, {}, r"^solution.system: .* ignores the system message"),
        ("{{ messages[0].role }}", {"system": None}, r"^solution.chat: .* leaves out the user message"),
        (
            CHATML,
            {"chat_template_kwargs": {"enable_thinkng": False}},
            r"^solution.chat_template_kwargs.enable_thinkng: .* does not read it; it reads enable_thinking$",
        ),
    ],
)
def test_a_template_that_does_not_work_is_an_error_of_one_line(templated, tiny, template, changes, message):
    folder, task = templated(template), dataclasses.replace(CHAT, **changes)
    with pytest.raises(InputError, match=message) as caught:
        Policy.load(folder, Student(), task)
    assert "\n" not in str(caught.value)
    asked = {"kind": "single-token", "prompt": "judge", "labels": [" Yes", " No"], "swap_labels": False, "chat": False}
    with pytest.raises(InputError, match=message):  # before the first job, too
        check_tokenizers({"model": folder}, asked | {"model": tiny}, SOLUTION | changes)


def test_a_template_with_the_date_shows_a_fixed_one(templated):
    now = "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% endif %}"
    folder = templated(now + " {{ messages[0].content }}")
    task = dataclasses.replace(CHAT, system=None)
    (text,) = task.prompts(["2+2?"], task.load_tokenizer(Student(), folder))
    assert text.startswith("26 Jul 2024 ")


def test_a_task_with_a_template_reaches_another_process():
    def function(*, task: Task):
        pass

    task = dataclasses.replace(CHAT, chat_template_kwargs={"enable_thinking": False})
    assert restore_dataclasses(function, {"task": dataclasses.asdict(task)}) == {"task": task}
    assert Task.from_config(SOLUTION) == CHAT
