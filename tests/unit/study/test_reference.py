"""The reference of config keys: types, values, defaults, examples."""

import pytest

from gavel.study.reference import reference


@pytest.fixture(scope="module")
def text():
    return reference({"rl.validation": "rl: {validation: {every: 5}}\n"})


@pytest.mark.parametrize(
    "row",
    [
        "| `study` | text | required |",
        "| `dtype` | text: `float32`, `bfloat16`, `float16` | `float32` |",
        "| `lambda` | a list of numbers from 0 to 1 | `[0.0, 0.5, 1.0]` |",
        "| `micro_batch_size` | a whole number, at least 1, or null | null |",
        "| `bf16` | true or false | `false` |",
        "| `scratch` | a section | see the section |",
    ],
)
def test_a_key_has_its_type_and_default(text, row):
    assert f"\n{row} " in text


def test_sections_are_in_the_config_s_order(text):
    titles = [line for line in text.splitlines() if line.startswith("### ")]
    assert titles[:2] == ["### (top level)", "### `data`"] and titles[-2:] == ["### `sweep`", "### `shared`"]
    order = ["`solution`", "`student`", "`judge`", "`judge.server`", "`sft`", "`rl`", "`rl.validation`", "`controls`"]
    places = [titles.index(f"### {title}") for title in order]
    assert places == sorted(places)


def test_an_example_stands_above_the_keys_of_its_section(text):
    section = text.split("### `rl.validation`\n")[1].split("\n### ")[0]
    assert section.index("```yaml\nrl: {validation: {every: 5}}\n```") < section.index("| key |")
    assert text.count("```yaml") == 1


def test_an_example_of_no_section_is_an_error():
    with pytest.raises(KeyError, match="rl.validations"):
        reference({"rl.validations": "x"})


def test_a_name_outside_code_is_no_html(text):
    assert "runs/&lt;run>/rollouts" in text and "`results/<study>`" in text
