"""Messages that pages quote are those of the code."""

import re

import pytest

from gavel.common.paths import ROOT
from helpers.messages import unknown_parts

# Page -> number of messages in its tables, at least.
PAGES = {"reference/console.md": 16, "how-to/offline.md": 3, "how-to/faq.md": 16}


def quoted(page: str) -> list[str]:
    """The messages in the first column of a page's tables: code of several words."""
    rows = re.findall(r"^\| (.+?) \| ", (ROOT / "docs" / page).read_text(), re.MULTILINE)
    spans = [code for row in rows for _, code in re.findall(r"(`+)(.+?)\1(?!`)", row)]
    return [code for code in spans if code.count(" ") > 1]


@pytest.mark.parametrize("page", PAGES)
def test_a_quoted_message_is_in_the_code(page):
    found = quoted(page)
    assert len(found) >= PAGES[page]
    assert {message: parts for message in found if (parts := unknown_parts(message))} == {}


def test_an_unknown_message_is_found():
    assert unknown_parts("resuming from <checkpoint-30>") == []
    assert unknown_parts("continuing from <checkpoint-30>") == ["continuing from"]
