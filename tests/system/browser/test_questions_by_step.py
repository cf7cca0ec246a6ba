"""The rollout browser of the report in Chromium: what is listed, what its controls do, and that texts stay texts."""

import json
import re

import pytest

from gavel.report.page import render
from helpers import fake_results
from helpers.browsing import keep

SIZES = {"main": 40}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    root = tmp_path_factory.mktemp("followed")
    config = fake_results.build(root, SIZES, samples=2, controls={"rewards": ["majority-vote"], "seeds": [0]})
    render(root, config, root / "report.html")
    return (root / "report.html").as_uri()


@pytest.fixture
def page(opened, address):
    page, said, asked = opened(address)
    unfold(page)
    yield page
    assert said == []
    assert [one for one in asked if not one.startswith("data:")] == [address]


def unfold(page):
    page.locator("section[aria-labelledby=questions] > details:not(.how) > summary").click()


def choose(page, **values):
    for key, value in values.items():
        page.locator(f"#followed-filters select[data-key={key}]").select_option(value)


def options(page, key):
    return page.locator(f"#followed-filters select[data-key={key}] option").all_inner_texts()[1:]


def cards(page):
    while page.locator(".followed + .more").is_visible():
        page.locator(".followed + .more").click()
    return page.locator(".followed > .card").all()


def data(page):
    """Every response of the page's data with its question."""
    found = json.loads(page.locator("#followed").text_content())
    return [
        {"card": card, "run": found["runs"][run], "text": card["texts"][text], "step": step, "truth": truth}
        | {"judge": judge, "verifier": verifier}
        for card in found["questions"]
        for run, text, step, truth, _, judge, verifier, *_ in card["responses"]
    ]


def move(card, place):
    slider = card.locator("input[type=range]")
    slider.evaluate("(node, place) => { node.value = place; node.dispatchEvent(new Event('input')); }", place)


def test_every_question_is_listed_with_its_runs_side_by_side(page):
    rows = data(page)
    assert page.locator(".followed > .card").count() == 3
    found = cards(page)
    assert len(found) == len({row["card"]["id"] for row in rows}) == 12
    first = found[0]
    at = first.locator(".step output").inner_text().strip()
    expected = [row for row in rows if row["card"]["id"] in first.inner_text() and str(row["step"]) == at]
    assert first.locator(".run h4").all_inner_texts() == [row["run"] for row in expected]
    assert first.locator(".run pre").all_inner_texts() == [row["text"] for row in expected]
    assert len(expected) == 7  # two algorithms at three lambdas, and a control
    left, right = (first.locator(".run").nth(place).bounding_box() for place in (0, 1))
    assert left["y"] == right["y"] and left["x"] + left["width"] <= right["x"]


def test_the_slider_goes_through_the_steps_of_its_question_alone(page):
    first, second = cards(page)[:2]
    shown = []
    slider = first.locator("input[type=range]")
    before = second.locator(".step output").inner_text()
    for place in range(int(slider.get_attribute("max")) + 1):
        move(first, place)
        shown.append(int(first.locator(".step output").inner_text()))
        number = re.search(r"validation-(\d)", first.inner_text())[1]
        assert all(
            text == f"def solution():\n    return {shown[-1]} + {number}"
            for text in first.locator(".run pre").all_inner_texts()
        )
    assert (shown[0], shown[-1]) == (0, 80) and shown == sorted(shown)
    assert second.locator(".step output").inner_text() == before
    slider.focus()
    slider.press("ArrowLeft")
    assert int(first.locator(".step output").inner_text()) == shown[-2]


@pytest.mark.parametrize("judge", ["right", "wrong", "none"])
@pytest.mark.parametrize("verifier", ["right", "wrong"])
def test_judge_and_verifier_cross(page, judge, verifier):
    choose(page, judge=judge, verifier=verifier)
    wanted = ({"right": 1, "wrong": 0, "none": None}[judge], {"right": 1, "wrong": 0}[verifier])
    rows = [row for row in data(page) if (row["judge"], row["verifier"]) == wanted]
    assert rows
    found = cards(page)
    assert len(found) == len({row["card"]["id"] for row in rows})
    for card in found:
        assert card.locator(".run").count() > 0
        for said in card.locator(".said").all_inner_texts():
            assert f"verifier: {verifier}" in said
            assert "not asked" in said if judge == "none" else f"judge was {judge} (" in said


def test_the_other_filters_narrow_what_is_listed(page):
    rows = data(page)
    run = next(row["run"] for row in rows if (row["card"]["pool"], row["step"], row["truth"]) == ("validation", 50, 0))
    choose(page, pool="validation", run=run, step="50", truth="wrong")
    expected = [
        row for row in rows
        if (row["card"]["pool"], row["run"], row["step"], row["truth"]) == ("validation", run, 50, 0)
    ]  # fmt: skip
    found = cards(page)
    assert len(found) == len(expected)
    for card in found:
        assert card.locator(".run h4").all_inner_texts() == [run]
        assert not card.locator("input[type=range]").is_visible()
        assert "✗ wrong" in card.locator(".said").inner_text()
    choose(page, pool="", run="", step="", truth="unknown")
    assert [row["card"]["id"] for row in rows if row["truth"] is None]
    assert [card.locator("header").inner_text().split("\n")[0].split(" · ")[-1] for card in cards(page)] == [
        "unlabelled-0"
    ]
    choose(page, truth="", kind=fake_results.KINDS[1])
    assert {card["id"] for card in (row["card"] for row in rows) if card["kind"] == fake_results.KINDS[1]} == {
        card.locator("header").inner_text().split("\n")[0].split(" · ")[-1] for card in cards(page)
    }


def test_a_card_begins_at_the_last_step_that_most_runs_share(page):
    rows = data(page)
    choose(page, pool="labelled", verifier="right")
    for card in cards(page):
        name = card.locator("header").inner_text().split("\n")[0].split(" · ")[-1]
        steps = [row["step"] for row in rows if (row["card"]["id"], row["verifier"]) == (name, 1)]
        most = max(map(steps.count, steps))
        expected = max(step for step in steps if steps.count(step) == most)
        assert int(card.locator(".step output").inner_text()) == expected
        assert card.locator(".run").count() == most


def test_a_step_that_the_reader_chose_stays_while_filters_change(page):
    card = cards(page)[0]
    move(card, 2)
    at = card.locator(".step output").inner_text()
    choose(page, run=options(page, "run")[0])
    assert cards(page)[0].locator(".step output").inner_text() == at


def test_steps_are_listed_as_numbers(page):
    steps = [int(step) for step in options(page, "step")]
    assert steps == sorted(steps) and {0, 3, 10, 80} <= set(steps)


def test_text_is_searched_in_questions_and_responses(page):
    search = page.locator("#followed-filters input[type=search]")
    search.fill("RETURN 50 + 2")
    (card,) = cards(page)
    assert set(card.locator(".run pre").all_inner_texts()) == {"def solution():\n    return 50 + 2"}
    assert page.locator("#followed-filters output").inner_text() == "1 of 1 shown"
    search.fill("in 3 boxes")
    assert len(cards(page)) == 3  # one of each pool
    search.fill("no such text")
    assert page.locator("#followed-filters output").inner_text() == "0 of 0 shown"
    assert page.locator(".followed > .card").count() == 0
    search.fill("")
    assert len(cards(page)) == 12


def test_texts_stay_texts(page):
    page.locator("#followed-filters input[type=search]").fill("onerror")
    (card,) = cards(page)
    assert set(card.locator(".run pre").all_inner_texts()) == {fake_results.HOSTILE}
    assert "How many <b>shells</b> in 1 boxes?" in card.inner_text()
    assert card.locator("img, script, b").count() == 0
    assert "hacked" not in page.title()


def test_the_samples_have_the_same_search(page):
    text = page.locator("#cards .card p").first.inner_text()
    page.locator("#filters input[type=search]").fill(text)
    found = page.locator("#cards .card").all_inner_texts()
    assert found and all(text in card for card in found)


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_its_width_in_both_themes(opened, address, width, scheme):
    page, said, _ = opened(address, width, color_scheme=scheme)
    unfold(page)
    keep(page.locator("section[aria-labelledby=questions]"), f"questions-{width}-{scheme}")
    for card in cards(page):
        box = card.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    form = page.locator("#followed-filters").bounding_box()
    assert form["x"] + form["width"] <= width
    colours = page.locator(".run pre").first.evaluate(
        "node => [getComputedStyle(node).color, getComputedStyle(node).backgroundColor]"
    )
    dark, light = (
        sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (colours if scheme == "light" else colours[::-1])
    )
    assert dark < 150 < 600 < light
    assert said == []


def test_a_study_that_kept_no_rollouts_has_no_browser_and_no_error(opened, tmp_path):
    config = fake_results.build(tmp_path, SIZES, samples=2, algorithms=("grpo",), lambdas=("0.5",))
    (tmp_path / "questions.parquet").unlink()
    render(tmp_path, config, tmp_path / "report.html")
    page, said, _ = opened((tmp_path / "report.html").as_uri())
    assert said == []
    assert page.locator("#questions, #followed-filters").count() == 0
    page.locator("#filters select[data-key=verdict]").select_option("wrong")
    assert page.locator("#cards .card").count() > 0


def test_a_real_study_has_its_questions(opened, finished):
    page, said, _ = opened((finished.results / "report.html").as_uri())
    unfold(page)
    assert options(page, "pool") == ["labelled", "unlabelled", "validation"]
    choose(page, pool="validation")
    found = cards(page)
    assert len(found) == 12
    for card in found:
        assert card.locator(".run").count() == 2
        assert int(card.locator("input[type=range]").get_attribute("max")) == 2  # steps 0, 2 and 4
    assert said == []
