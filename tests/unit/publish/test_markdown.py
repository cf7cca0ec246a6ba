"""Markdown that shows a text as it is, whatever the text."""

import pytest
from huggingface_hub import ModelCard, ModelCardData

from gavel.publish import markdown
from gavel.report.cells import Cell, Table, text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a|b", r"a\|b"),
        ("**bold** _it_ `code`", r"\*\*bold\*\* \_it\_ \`code\`"),
        ("[x](http://y) <script> & $z$", r"\[x\](http://y) &lt;script&gt; &amp; \$z\$"),
        ("two\nlines\r\n# three", r"two lines \# three"),
        ("- item", r"\- item"),
        ("--- ---", r"\--- ---"),
        ("1. item", r"1\. item"),
        ("0.5 of it", "0.5 of it"),
        ("−7.1 (−9 to +2)", "−7.1 (−9 to +2)"),
        ("+7.1", "+7.1"),
        (None, "None"),
    ],
)
def test_a_text_is_one_line_without_marks(value, shown):
    assert markdown.escape(value) == shown
    assert markdown.escape(markdown.escape(value)) == shown


@pytest.mark.parametrize("body", ["plain", "```\nfence\n```", "`````", "---\nx: 1\n---", "a\r\nb\rc", ""])
def test_a_block_ends_where_its_text_ends(body):
    fence, *lines, end = markdown.block(body, "yaml").split("\n")
    assert fence == f"{end}yaml" and set(end) == {"`"} and len(end) >= 3
    assert "\n".join(lines) == body.replace("\r\n", "\n").replace("\r", "\n")
    assert not any(end in line for line in lines)


@pytest.mark.parametrize(("value", "shown"), [("a_b", "`a_b`"), ("a`b", "``a`b``"), ("`a`", "`` `a` ``")])
def test_a_code_span_may_contain_backticks(value, shown):
    assert markdown.code(value) == shown


def test_a_table_keeps_its_columns():
    found = Table(
        [("ru|n", "tip"), ("value", "")],
        [[text("a|b\nc"), Cell("1.5", "1.2–1.8")], [text("d"), Cell("2", bold=True)]],
    )
    assert markdown.table(found).split("\n") == [
        r"| ru\|n | value |",
        "| --- | ---: |",
        r"| a\|b c | 1.5 (1.2–1.8) |",
        "| d | **2** |",
    ]
    assert markdown.table(Table([("a", ""), ("b", "")], [])) == "| a | b |\n| --- | --- |"


def test_a_card_hides_secrets_and_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OTHER_TOKEN", "abcdefgh12")
    body = f"model: {tmp_path}/models/x, {tmp_path}er; abcdefgh12; hf_abcdefghijkl"
    made = markdown.with_metadata(ModelCard, ModelCardData(tags=["a"]), body)
    assert made.endswith(f"model: ~/models/x, {tmp_path}er; <hidden>; <hidden>")


def test_metadata_that_would_be_read_differently_are_refused():
    data = ModelCardData(tags=["a"], base_model="a\n---\nlicense: mit")
    assert ModelCard(markdown.with_metadata(ModelCard, data, "x")).data.base_model == data.base_model
    data.tags = ["a", "a"]
    with pytest.raises(ValueError, match="does not survive"):
        markdown.with_metadata(ModelCard, data, "x")
