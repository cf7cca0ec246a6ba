"""The documentation site in a real Chromium, opened from disk: its search, both themes, and no request to a network."""

import pytest

from helpers import docs_site

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return docs_site.build(tmp_path_factory.mktemp("site")).as_uri()


def test_the_search_works_from_disk_without_a_network(site, opened):
    page, said, asked = opened(f"{site}/index.html")
    page.click("input.md-search__input")
    page.get_by_text("Type to start searching").wait_for()  # until then the index is being read
    page.keyboard.type("rollback")
    found = page.locator(".md-search-result__item a").first
    found.wait_for(timeout=30_000)
    assert page.locator(".md-search-result__item").count() > 2
    with page.expect_navigation():
        found.click()
    assert "rollback" in page.locator("article").inner_text().lower()
    assert said == [] and asked and all(address.startswith("file:") for address in asked)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["index", "studies/dial", "reference/config", "project/contributing"])
def test_a_page_fits_a_phone_in_both_themes(site, opened, name, scheme):
    page, said, _ = opened(f"{site}/{name}.html", 400, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.locator("body").get_attribute("data-md-color-scheme") == ("slate" if scheme == "dark" else "default")
    assert page.locator("h1").count() == 1 and said == []
