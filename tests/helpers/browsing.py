"""Pictures of pages, for somebody to look at."""

import os
from pathlib import Path

from playwright.sync_api import Locator, Page

SHOTS = os.environ.get("GAVEL_SCREENSHOTS")  # a folder to keep them in


def keep(page: Page | Locator, name: str, **options) -> None:
    """Keep a picture of the page, or of a part of it, where GAVEL_SCREENSHOTS asks for it."""
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(SHOTS, f"{name}.png"), **options)
