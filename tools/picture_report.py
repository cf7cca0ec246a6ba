"""Take the pictures of docs/tutorials/read-the-report.md from a finished study's report.

    python tools/picture_report.py results/demo/report.html

Needs Chromium: `apt-get install chromium` on Debian.
"""

import argparse
import shutil
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, ViewportSize, sync_playwright

FOLDER = Path(__file__).parents[1] / "docs" / "tutorials"
VIEW = ViewportSize(width=1000, height=800)
MARGIN = 12  # pixels
QUALITY = 80  # percent, of WebP
# Picture -> the elements at whose top it begins and at whose bottom it ends.
PICTURES = {
    "report-answer.webp": ("#answer", "#answer + figure"),
    "report-judge.webp": ("#judge", "#judge ~ figure"),
    "report-training.webp": ("#training", "#training ~ figure"),
}


def take(page: Page, folder: Path) -> None:
    """Take every picture of an open report."""
    for name, (first, last) in PICTURES.items():
        if not page.locator(last).count():
            raise SystemExit(f"{page.url}: has no {last} for {name}; use the report of a study with a judge")
        top, bottom = page.locator(first).bounding_box(), page.locator(last).first.bounding_box()
        assert top and bottom, f"{name}: its elements are hidden"
        begin, end = top["y"] - MARGIN, bottom["y"] + bottom["height"] + MARGIN
        picture = page.screenshot(
            clip={"x": 0, "y": begin, "width": VIEW["width"], "height": end - begin}, full_page=True
        )
        Image.open(BytesIO(picture)).save(folder / name, quality=QUALITY)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Take the pictures of docs/tutorials/read-the-report.md.")
    parser.add_argument("report", type=Path, help="a finished study's report.html")
    options = parser.parse_args(arguments)
    with sync_playwright() as driver:
        # Chromium's own sandbox does not start as root; the page is one that Gavel wrote.
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=VIEW, color_scheme="light")
        page.goto(options.report.resolve().as_uri())
        take(page, FOLDER)
        browser.close()


if __name__ == "__main__":
    main()
