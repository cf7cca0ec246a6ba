"""The report in a browser, opened from disk: no request, no error, and everything that can be clicked does its work."""

import re
from pathlib import Path

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe

from gavel.report.comparison import page as comparison
from gavel.report.page import render
from helpers import fake_results
from helpers.browsing import SHOTS, keep

WIDTHS = (1280, 400)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Addresses of a study's page and of a page that compares two."""
    root = tmp_path_factory.mktemp("pages")
    for name, seed in (("first", 0), ("second", 1)):
        config = fake_results.build(root / name, {"main": 80, "plus": 48, "svamp": 30}, samples=4, seed=seed)
        render(root / name, config, root / name / "report.html")
        plain = {key: value for key, value in config.items() if key != "provenance"}
        (root / name / "config.yaml").write_text(yaml.safe_dump(plain))
    folders = {name: root / name for name in ("first", "second")}
    comparison.render(folders, root / "comparison.html", title="two", question="Which?")
    return {"study": (root / "first/report.html").as_uri(), "comparison": (root / "comparison.html").as_uri()}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", ["study", "comparison"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_without_requests_and_errors_and_fits_its_width(opened, pages, kind, width, scheme):
    page, said, asked = opened(pages[kind], width, color_scheme=scheme)
    page.mouse.wheel(0, 20_000)
    assert said == []
    assert [address for address in asked if not address.startswith("data:")] == [pages[kind]]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    keep(page, f"{kind}-{width}-{scheme}", full_page=True)


def test_a_heading_sorts_by_its_column(opened, pages):
    page, _, _ = opened(pages["study"])
    table = page.locator("section[aria-labelledby=main-results] table").first
    column = "xpath=//tbody/tr/*[2]"

    def shown():
        return [float(cell.get_attribute("data-sort")) for cell in table.locator(column).all()]

    before = shown()
    button = table.locator("thead tr:last-child th:nth-child(2) button")
    button.click()
    assert shown() == sorted(before, reverse=True) != before
    assert table.locator("thead tr:last-child th:nth-child(2)").get_attribute("aria-sort") == "descending"
    button.press("Enter")
    assert shown() == sorted(before)


def test_a_table_is_copied_in_three_formats(opened, pages):
    page, said, _ = opened(pages["study"], permissions=["clipboard-read", "clipboard-write"])
    begins = {"Markdown": "| run |", "LaTeX": "\\begin{tabular}{l", "CSV": "run,"}
    for name, first in begins.items():
        button = page.locator(".copy").first.locator("button").nth(list(begins).index(name))
        button.click()
        page.wait_for_function("button => button.textContent === 'copied'", arg=button.element_handle())
        text = page.evaluate("navigator.clipboard.readText()")
        assert text.startswith(first)
        assert "SFT" in text and "main" in text.splitlines()[2 if name == "LaTeX" else 0]
    assert said == []


def test_a_link_into_a_folded_part_opens_it(opened, pages):
    page, _, _ = opened(pages["study"])
    assert not page.locator("#cost").evaluate("part => part.open")
    page.locator("nav a[href='#cost']").click()
    page.wait_for_function("document.getElementById('cost').open")


def test_the_samples_are_filtered(opened, pages):
    page, _, _ = opened(pages["study"])
    cards = page.locator("#cards .card:visible")
    assert 0 < cards.count() <= 12
    page.locator("#filters select[data-key=verdict]").select_option("wrong")
    page.locator("#filters select[data-key=score]").select_option("high (≥ 0.5)")
    page.locator("#filters select[data-key=set]").select_option("svamp")
    found = page.locator("#shown").inner_text()
    assert cards.count() == int(found.split()[0]) > 0
    for card in cards.all():
        assert (card.get_attribute("data-verdict"), card.get_attribute("data-set")) == ("wrong", "svamp")
        assert float(card.locator("progress").get_attribute("value")) >= 0.5
    page.locator("#filters select[data-key=set]").select_option("")
    count = cards.count()
    page.locator("#more").click()
    assert cards.count() > count


def test_the_theme_is_switched_and_remembered(opened, pages):
    page, _, _ = opened(pages["study"], color_scheme="light")
    colour = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(colour)
    page.locator("#theme").click()
    assert page.evaluate(colour) != before
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_it_can_be_used_without_a_mouse(opened, pages):
    page, _, _ = opened(pages["study"])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#answer"
    # Wide tables can be scrolled by keys, and what is folded opens.
    assert page.locator(".scroll:not([tabindex])").count() == 0
    summary = page.locator("details:not([open]) > summary").first.element_handle()
    summary.press("Enter")
    assert summary.evaluate("node => node.parentElement.open")


def test_pictures_have_words(opened, pages):
    page, _, _ = opened(pages["study"])
    labels = page.locator("svg[role=img]").evaluate_all("nodes => nodes.map(node => node.getAttribute('aria-label'))")
    assert len(labels) > 20
    assert all(label and len(label) > 20 for label in labels)
    assert page.locator("svg:not([role=img])").count() == 0


def test_a_printed_page_has_no_controls(opened, pages):
    page, _, _ = opened(pages["study"])
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert not page.locator("#filters").is_visible()
    assert page.locator("h1").is_visible()
    assert len(page.pdf(format="A4")) > 50_000


def pdf_pages(content: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", content))


def test_the_summary_prints_on_two_pages(opened, pages, tmp_path):
    page, said, _ = opened(pages["study"] + "?summary")
    whole = pdf_pages(opened(pages["study"])[0].pdf(format="A4"))
    summary = page.pdf(format="A4")
    keep(page, "summary")
    if SHOTS:
        Path(SHOTS, "summary.pdf").write_bytes(summary)
    assert pdf_pages(summary) == 2 < whole
    page.emulate_media(media="print")
    assert page.locator("#answer").is_visible() and page.locator("section[aria-labelledby=judge] > figure").is_visible()
    assert not page.locator("section[aria-labelledby=samples]").is_visible()
    assert said == []


def test_one_run_is_highlighted_in_all_figures_and_tables(opened, pages):
    page, said, _ = opened(pages["study"])
    kind = "GRPO λ\u00a0=\u00a00.5"
    assert kind in page.locator("#highlight option").all_inner_texts()
    faint = "node => Number(getComputedStyle(node).opacity)"
    page.locator("#highlight").select_option(kind)
    figures = page.locator("figure", has=page.locator(f'svg [data-run="{kind}"]'))
    assert figures.count() >= 4
    for mark in page.locator("svg [data-run]").all():
        own = mark.get_attribute("data-run").split(", ")[0] == kind
        assert mark.evaluate(faint) == (1 if own else pytest.approx(0.12))
    rows = page.locator("tr.on").all()
    assert rows and all(row.locator("th").first.text_content().strip().startswith(kind) for row in rows)
    page.locator(f'main > figure svg [data-run="{kind}"]').first.dispatch_event("click")
    assert page.locator("#highlight").input_value() == "" and page.locator("tr.on").count() == 0
    assert said == []


def test_marks_tell_their_values(opened, pages):
    page, _, _ = opened(pages["study"])
    titles = page.locator("main > figure svg [data-run] > title").all_text_contents()
    assert any(
        re.fullmatch(r"GRPO λ\s=\s0.5, main: [+−][\d.]+ points \([+−][\d.]+ to [+−][\d.]+\)", title) for title in titles
    )


def test_a_phone_has_a_menu(opened, pages):
    page, _, _ = opened(pages["study"], 400)
    links = page.locator("nav .links a")
    assert not links.first.is_visible()
    page.locator("#menu").click()
    assert page.locator("#menu").get_attribute("aria-expanded") == "true"
    assert all(link.is_visible() for link in links.all())
    page.locator("nav a[href='#judge']").click()
    assert not links.first.is_visible()
    page.wait_for_function("() => Math.abs(document.getElementById('judge').getBoundingClientRect().top) < 200")


def test_terms_lead_to_their_meaning(opened, pages):
    page, _, _ = opened(pages["study"])
    terms = {term.get_attribute("href") for term in page.locator("a.term").all()}
    assert len(terms) >= 8
    assert all(page.locator(f"dt[id='{term[1:]}']").count() == 1 for term in terms)
    page.locator("section[aria-labelledby=judge] .how summary").click()
    page.locator("section[aria-labelledby=judge] a.term").first.click()
    page.wait_for_function("() => document.getElementById('glossary').open")
    assert page.locator("#term-auc").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", ["study", "comparison"])
def test_axe_finds_nothing_serious(opened, pages, kind, width, scheme):
    page, _, _ = opened(pages[kind], width, color_scheme=scheme)
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    found = Axe().run(page).response["violations"]
    serious = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
    assert serious == []


def test_the_real_small_study_opens(opened, finished):
    page, said, asked = opened((finished.results / "report.html").as_uri())
    assert said == []
    assert len([address for address in asked if not address.startswith("data:")]) == 1
    assert page.locator("h1").inner_text() == "Does every part run?"
    assert page.locator("#provenance figure svg").count() == 1  # the graph of rules
    keep(page, "small-study", full_page=True)
