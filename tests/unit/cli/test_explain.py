"""`gavel explain`: every key can be looked up, and a mistyped one leads to the right one."""

import pytest

from gavel.cli.main import main
from gavel.study import key_info
from gavel.study.key_info import find
from gavel.study.schema.renamed import RENAMED


def explained(capsys, *key: str) -> str:
    assert main(["explain", *key]) == 0
    return capsys.readouterr().out


def refused(capsys, key: str) -> str:
    assert main(["explain", key]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error.removeprefix("gavel: ").strip()


@pytest.mark.parametrize("path", key_info.paths())
def test_every_key_has_a_type_and_a_meaning(path):
    key = find(path)
    assert key.path == path and key.meaning
    assert key.type and not key.type.startswith("null")


def test_a_key_has_its_type_default_and_meaning(capsys):
    head, kind, default, _, *meaning = explained(capsys, "rl.kl_coefficient").splitlines()
    assert head == "rl.kl_coefficient"
    assert kind.split(maxsplit=1) == ["type", "a number, at least 0"]
    assert default.split() == ["default", "0.0"]
    assert " ".join(meaning).startswith("Weight of the KL divergence from the policy that RL starts from")


def test_allowed_values_are_listed(capsys):
    assert "  values   flag, stop, rollback, raise_lambda\n" in explained(capsys, "rl.validation.on_collapse")
    assert find("controls.rewards").values == ("majority-vote", "coin", "format", "all-answers")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("rl.lambda", "a list of numbers from 0 to 1"),
        ("judge.prompting.labels", "a list of 2 texts or null"),
        ("rl.micro_batch_size", "a whole number, at least 1, or null"),
        ("rl.lora", "a section or null"),
        ("sft.bf16", "true or false"),
        ("sft.learning_rate", "a number, above 0"),
        ("sft.lora.dropout", "a number, at least 0 and below 1"),
    ],
)
def test_types_are_words(path, kind):
    assert find(path).type == kind


def test_a_section_lists_its_keys(capsys):
    text = explained(capsys, "primary")
    assert "  test_set   required  One of `data.tests`\n" in text
    assert "The primary comparison, named in advance." in text
    assert [key.path for key in find("data.tests").keys][:2] == ["data.tests.<name>.reader", "data.tests.<name>.path"]
    assert [key.path for key in find("rl.reward_terms").keys] == ["rl.reward_terms[].file", "rl.reward_terms[].weight"]


def test_without_a_key_the_sections_are_listed(capsys):
    text = explained(capsys)
    assert all(f"\n  {name} " in text for name in ("study", "data", "judge", "rl", "shared"))


@pytest.mark.parametrize("path", ["data.tests.svamp.path", "data.tests.<name>.path"])
def test_a_name_that_the_user_chooses_may_be_any(path):
    assert find(path).path == "data.tests.<name>.path"


@pytest.mark.parametrize("path", ["rl.reward_terms[].file", "rl.reward_terms[0].file"])
def test_an_entry_of_a_list_may_have_a_number(path):
    assert find(path).path == "rl.reward_terms[].file" and find(path).required


@pytest.mark.parametrize(
    ("key", "proposed"),
    [
        ("rl.learnin_rate", "'rl.learning_rate'"),
        ("judgee", "'judge'"),
        ("judgee.watch", "'judge.watch'"),
        ("data.tests.main.pth", "'data.tests.<name>.path'"),
        ("lambda", "'rl.lambda' or 'primary.lambda'"),
        ("kl_coefficient", "'rl.kl_coefficient' or 'judge.rl.kl_coefficient'"),
        ("kl", "'rl.kl_coefficient'"),
        ("rl.reward_terms[].wieght", "'rl.reward_terms[].weight'"),
    ],
)
def test_a_mistyped_key_leads_to_the_nearest_ones(key, proposed, capsys):
    assert refused(capsys, key) == f"{key}: no such key; did you mean {proposed}?"


def test_a_renamed_key_leads_to_its_new_name(capsys):
    for old, new in RENAMED.items():
        assert refused(capsys, old.replace("*", "main")).endswith(f"is now {new.replace('*', 'main')!r}")


@pytest.mark.parametrize("key", ["zzzz", "..", "rl.", "rl.zzzzzzzz", "judge.watch.x.zzzzzzz", "[]", "study.zzzzzzz"])
def test_what_is_like_no_key_is_one_line(key, capsys):
    assert "no such key" in refused(capsys, key)
