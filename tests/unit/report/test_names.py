"""Names from other people's files on report pages: drawn and shown as they stand, linked to, and never run."""

import base64
import hashlib
import html.parser
import os
import xml.etree.ElementTree as ElementTree
from urllib.parse import unquote

import pandas as pd
import pytest
import yaml

from gavel.cli import main
from gavel.report.page import render
from gavel.report.plots import judges, results
from helpers import fake_results

KINDS = (
    "$x^{$",
    "a $x^2$ b",
    "\\$5 and $6",
    "_hidden",
    "<b>bold</b> & \"quoted\" 'DejaVu Sans'",
    "#0072b2 #010203 url(#x",
    'id="x href="#y style="fill: red"',
    "</svg></style></script><script>alert(1)</script>",
)
FOLDERS = ("a #1", "b?c=d&e", "100%25", "_$x^{$", "c:d", "<i>ä", "javascript:alert(1)")
HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(1)">'


class Page(html.parser.HTMLParser):
    """Scripts, styles, policies, links and texts of a page, and what of it could run or style by itself."""

    def __init__(self, text: str):
        super().__init__()
        self.scripts, self.styles, self.policies, self.links, self.texts = [], [], [], [], []
        self.tags, self.inline, self.last = [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.last = None if attrs.get("type") == "application/json" else tag  # data, which no browser runs
        self.tags.append(tag)
        self.inline += [name for name in attrs if name == "style" or name.startswith("on")]
        if attrs.get("http-equiv") == "Content-Security-Policy":
            assert not {"style", "script", "link", "body"} & set(self.tags), "the policy comes too late"
            self.policies.append(attrs["content"])
        if tag == "a":
            self.links.append(attrs["href"])

    def handle_endtag(self, tag):
        self.last = None

    def handle_data(self, data):
        {"script": self.scripts, "style": self.styles}.get(self.last, self.texts).append(data)


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Results under names that mean something in an address, on a page or in a formula."""
    root = tmp_path_factory.mktemp("results #1?%20")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fake_results, "KINDS", KINDS)
        for name in FOLDERS:
            config = fake_results.build(root / name, {"plus": 16}, samples=1, algorithms=("grpo",), lambdas=("0.5",))
            config = {key: value for key, value in config.items() if key != "provenance"} | {"question": HOSTILE}
            (root / name / "config.yaml").write_text(yaml.safe_dump(config))
            (root / name / "report.html").write_text("a report")
    return root


@pytest.fixture(scope="module")
def compared(root):
    folders = [str(root / name) for name in FOLDERS]
    out = root / "out" / "comparison.html"
    out.parent.mkdir()
    assert main.main(["compare", *folders, "--out", str(out), "--question", HOSTILE, "--axis", "labels"]) == 0
    return out


@pytest.fixture(scope="module")
def report(root):
    folder = root / FOLDERS[0]
    config = yaml.safe_load((folder / "config.yaml").read_text())
    render(folder, config, root / "pages?" / "study.html", root / "pages?" / "figures #2")
    return root / "pages?" / "study.html"


@pytest.fixture(scope="module", params=["compared", "report"])
def page(request):
    return request.getfixturevalue(request.param)


def test_links_lead_to_files_whatever_their_folders_are_called(page):
    found = [link for link in Page(page.read_text()).links if not link.startswith(("#", "data:"))]
    assert len(set(found)) >= 2
    for link in found:
        assert not set("#?:<>\" '") & set(link)
        assert (page.parent / unquote(link)).exists(), link


def test_every_study_has_its_link(compared, root):
    links = {unquote(link) for link in Page(compared.read_text()).links}
    assert {os.path.relpath(root / name / "report.html", compared.parent) for name in FOLDERS} <= links


def test_large_data_beside_a_page_is_linked_too(tmp_path, monkeypatch):
    from gavel.report import figure

    monkeypatch.setattr(figure, "EMBEDDED", 0)
    config = fake_results.build(tmp_path / "a", {"main": 8}, samples=1, algorithms=("grpo",), lambdas=("0.5",))
    render(tmp_path / "a", config, tmp_path / "p.html", tmp_path / "figures #2")
    links = [unquote(link) for link in Page((tmp_path / "p.html").read_text()).links if link.endswith(".csv")]
    assert "figures #2/accuracy-against-lambda.csv" in links
    assert all((tmp_path / link).exists() for link in links)


def test_a_page_runs_and_styles_only_what_its_policy_names(page):
    found = Page(page.read_text())
    assert found.inline == []
    assert len(found.policies) == len(found.scripts) == len(found.styles) == 1
    rules = dict(rule.strip().split(" ", 1) for rule in found.policies[0].split(";"))
    assert rules == {
        "default-src": "'none'",
        "style-src": digest(found.styles[0]),
        "script-src": digest(found.scripts[0]),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert not {"img", "iframe", "object", "embed", "base"} & set(found.tags)
    assert not [link for link in found.links if link.lower().startswith("javascript")]


def test_markup_in_names_is_text(page):
    found = Page(page.read_text())
    assert HOSTILE in "".join(found.texts)
    assert "alert(1)" not in "".join(found.scripts + found.styles)


def test_figures_look_on_the_page_as_in_their_files(report):
    """The styles of a figure's elements have become classes, whose rules are those styles."""
    rules = Page(report.read_text()).styles[0]
    for path in sorted((report.parent / "figures #2").glob("*.svg")):
        if path.stem == "workflow-rules":
            continue  # not matplotlib's: it has attributes in place of styles
        root = ElementTree.parse(path).getroot()
        styles = [element.attrib["style"] for element in root.iter() if "style" in element.attrib][1:]
        assert styles, path.name
        for style in styles:
            own = style.replace("#0072b2", "var(--blue)")
            assert f" {{ {own} }}" in rules, (path.name, own)
    assert "\nsvg *{stroke-linejoin: round; stroke-linecap: butt}" in rules


def test_kinds_and_studies_are_drawn_as_they_stand(report, root, compared):
    figures = sorted((report.parent / "figures #2").glob("*kind*.svg"))
    assert figures
    drawn = [e.text for e in ElementTree.parse(figures[0]).getroot().iter() if e.tag.endswith("text")]
    assert set(KINDS) <= set(drawn)
    texts = "".join(Page(report.read_text()).texts)
    assert all(kind in texts for kind in KINDS)
    texts = Page(compared.read_text()).texts
    assert set(FOLDERS) <= {text.strip() for text in texts}


@pytest.mark.parametrize("name", ["$x^{$", "_hidden", "a $x^2$", "<b>", "#010203", "\\$", "", "\x07"])
def test_legends_and_axes_show_any_name(name):
    rows = pd.DataFrame({"label": [name, "b"], "tokens": [8e4, 9e6], "accuracy": 0.8, "low": 0.7, "high": 0.9})
    progress = pd.DataFrame({"judge": [name, "rl"], "accuracy": 0.5, "low": 0.4, "high": 0.6})
    stages = pd.DataFrame({"stage": ["a"], "method": [name], "step": 0, "accuracy": 0.8, "low": 0.7, "high": 0.9})
    studies = pd.DataFrame(
        {"study": [name, "b"], "x": [0.0, 1.0], "run": "r", "label": name, "algorithm": "grpo", "series": ""}
    )
    studies = studies.assign(**{"lambda": 0.5, "value": 0.5, "low": 0.4, "high": 0.6})
    for svg in (
        judges.accuracy_against_cost(rows, "tokens", [(name, 0.5, 0.4, 0.6)]),
        judges.judge_progress(progress),
        judges.selection_curve(stages.assign(kept=True)),
        results.accuracy_against(studies, ""),
    ):
        drawn = [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]
        assert not name or name.replace("\x07", "\ufffd") in drawn


def test_a_folder_whose_name_is_not_utf8_is_compared(tmp_path):
    odd = tmp_path / "caf\udce9"
    try:
        config = fake_results.build(odd, {"main": 8}, samples=1, algorithms=("grpo",), lambdas=("0.5",))
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    config = {key: value for key, value in config.items() if key != "provenance"}
    (odd / "config.yaml").write_text(yaml.safe_dump(config))
    (odd / "report.html").touch()
    assert main.main(["compare", str(odd), "--out", str(tmp_path / "c.html"), "--question", "caf\udce9?"]) == 0
    page = Page((tmp_path / "c.html").read_text())
    assert "caf%E9/report.html" in page.links and "caf\ufffd?" in page.texts


@pytest.mark.parametrize("name", ["config.yaml", "metrics.csv", "runs/sft/monitor.csv", "runs/sft/run.json"])
@pytest.mark.parametrize("content", [b"caf\xe9,1\n\x00", b"a: [" * 3000, b'{"a": ' + b"9" * 5000 + b"}", b'"\\ud800"'])
def test_a_file_that_cannot_be_read_is_one_line(study, tmp_path, capsys, name, content):
    folder, config = study
    config = {key: value for key, value in config.items() if key != "provenance"}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / name).write_bytes(content)
    status = main.main(["compare", str(folder), "--out", str(tmp_path / "c.html")])
    error = capsys.readouterr().err
    assert (status == 2 and error.startswith(f"gavel: {folder / name}") and error.count("\n") == 1) or (
        status == 0 and name == "runs/sft/monitor.csv"  # a table without `step` is passed over
    )


def test_a_page_that_cannot_be_written_is_one_line(study, tmp_path, capsys):
    folder, config = study
    config = {key: value for key, value in config.items() if key != "provenance"}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "file").touch()
    assert main.main(["compare", str(folder), "--out", str(tmp_path / "file" / "c.html")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
