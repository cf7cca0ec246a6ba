"""The prose check finds words to avoid and long sentences in text of every kind, and nothing in code."""

import json
import re

import pytest
import yaml

import check_prose
import prose

TEXT = check_prose.TERMS.read_text(encoding="utf-8")
LISTED, TERMS = yaml.safe_load(TEXT), check_prose.read_terms(TEXT)
LONG = " ".join(["word"] * 41)
PAGE = f"""# A heading

The policy learnt, and the judge
reckons with `the mix` and [that](https://reckons.org/learnt).

    reckons = learnt

| optimizer | `reckons` |
|---|---|
| 95% | 1 |

<!-- result: begin -->
A generated part reckons.
<!-- result: end -->

- {LONG}. This is short.
"""
MODULE = '''"""The judge reckons.

    python learnt.py

Args:
    labeled, learnt: the share of `labeled` rows.

Returns:
    The judge's behavior, on
    two lines that it reckons.
"""

color = {"labeled": "learnt"}  # it reckons `the mix`
# The first line,
# and the second, which reckons.


def reckon(path, n):
    """Count."""
    raise ValueError(f"{path}: the judge " f"reckons with {n:5%} of it")


WORDS = "a an the of to in on at by for from with per each every more and or only reckons"
HELP = "{rate:5%} of the labeled rows: " + "write `data.labeled` then"
'''
SETTINGS = """# The judge reckons, and
# so on.
rl:
  learnt: [labeled]   # 95% of it
question: "Is the judge, as #1 reckons, right?"
other: 'learnt'
"""
HTML = """{% macro reckons(labeled) %}
<p title="The judge reckons">The {{ learnt }} is <b>the
share of</b> it.</p>
<p>One{% if x %} with more{% else %} without{% endif %}</p><pre>learnt</pre><code>learnt</code>
{{ term('learnt', 'what the judge reckons') }}
"""
MODEL_CARD = "# {{ learnt }}\n\nThe judge\n{% if x %}\nreckons.\n{% endif %}\n\n```python\nlearnt\n```\n"
RULES = '# The judge\nrule learnt:\n    priority: 1  # it reckons\n\n\ndef a(learnt):\n    """The share of it."""\n'
NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "source": ["# Title\n", "\n", "It reckons."]},
        {"cell_type": "code", "source": ["learnt = 1\n", "print('the judge reckons with it')  # so\n"]},
    ]
}


def check(path, text):
    """`line: what` of each finding in a file with this text."""
    path.write_text(text, encoding="utf-8")
    found = {each for passage in prose.passages(path) for each in check_prose.findings(passage, TERMS)}
    return [f"{each.line}: {each.what}" for each in sorted(found)]


@pytest.mark.parametrize("entry", LISTED, ids=lambda entry: entry["bad"])
def test_a_term_is_found_in_its_example_and_not_in_what_to_say_instead(entry):
    assert set(entry) == {"pattern", "say", "bad", "good"}
    assert re.search(entry["pattern"], entry["bad"], re.IGNORECASE)
    for text in (entry["good"], entry["say"]):
        assert [term.pattern.pattern for term in TERMS if term.pattern.search(re.sub("`.*?`", "`x`", text))] == []


@pytest.mark.parametrize(
    "text",
    [
        "Every job pays the start-up time.",
        "A mix of programs and text; a mixed number; groups with mixed outcomes.",
        "Sweeps share stages, and jobs share a server.",
        "A difference in percentage points, at several points of the curve, is 400 Elo points.",
        "There is none. The default is none of these; an undefined metric is None.",
        "The last of two. Of the 12 questions, three remain.",
        "The settings make a judge that compares solutions.",
        "It is read at once.",
        "A tokenizer, an evaluator and a quantised model; the size of a prize.",
    ],
)
def test_good_english_is_left_alone(text):
    assert [*check_prose.findings(prose.Passage(1, text), TERMS)] == []


def test_a_page(tmp_path):
    found = check(tmp_path / "page.md", PAGE)
    assert found == [
        "3: 'learnt'",
        "4: 'reckons'",
        "8: 'optimizer'",
        "10: '95%'",
        "16: 'word word word word word word ...' has 41 words",
    ]


def test_a_module(tmp_path):
    assert check(tmp_path / "module.py", MODULE) == [
        "1: 'reckons'",
        "6: 'the share of'",
        "9: 'behavior'",
        "10: 'reckons'",
        "13: 'reckons'",
        "15: 'reckons'",
        "20: 'reckons'",
        "24: 'labeled'",
    ]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("study.yaml", SETTINGS, ["1: 'reckons'", "4: '95%'", "5: 'reckons'"]),
        ("page.html.j2", HTML, ["2: 'reckons'", "2: 'the share of'", "5: 'reckons'"]),
        ("card.md.j2", MODEL_CARD, ["5: 'reckons'"]),
        ("rules.smk", RULES, ["3: 'reckons'", "7: 'The share of'"]),
        ("notebook.ipynb", json.dumps(NOTEBOOK, indent=1), ["8: 'reckons'", "15: 'reckons'"]),
    ],
)
def test_other_files(tmp_path, name, text, expected):
    assert check(tmp_path / name, text) == expected


def test_a_sentence_may_have_40_words(tmp_path):
    assert check(tmp_path / "page.md", " ".join(["word"] * 40) + f" – and.\n\n{LONG}") == [
        "1: 'word word word word word word ...' has 41 words",
        "3: 'word word word word word word ...' has 41 words",
    ]
    assert check(tmp_path / "page.md", " ".join(["word"] * 40) + ' –. "And (so)." Then') == []


def test_where_a_sentence_ends():
    text = "One, e.g. this (see Guo et al. 2025). Two? 'Three.' `x`: four; five; `x`: six"
    assert [sentence.strip() for _, sentence in check_prose.sentences(text)] == [
        "One, e.g. this (see Guo et al. 2025).",
        "Two?",
        "'Three.'",
        "`x`: four; five;",
        "`x`: six",
    ]


@pytest.mark.parametrize(
    ("text", "status", "printed"),
    [("It is fine.", 0, ""), ("It reckons.", 1, "page.md:1: 'reckons' -> estimates, counts\n")],
)
def test_the_command(tmp_path, monkeypatch, capsys, text, status, printed):
    monkeypatch.setattr(prose, "ROOT", tmp_path)
    (tmp_path / "page.md").write_text(text)
    assert (check_prose.main([]), capsys.readouterr().out) == (status, printed)
    assert (check_prose.main([str(tmp_path / "page.md")]), capsys.readouterr().out) == (status, printed)


def test_the_products_text_is_read():
    names = {str(path.relative_to(prose.ROOT)) for path in prose.files()}
    assert names >= {
        "README.md",
        "config/config.yaml",
        "examples/quickstart.ipynb",
        "results/README.md",
        "workflow/Snakefile",
        "workflow/rules/rl.smk",
        "workflow/scripts/gavel/report/page.html.j2",
        "workflow/scripts/gavel/study/schema/training.py",
    }
    assert not {path.rpartition("/")[2] for path in names} & prose.LEFT_OUT
