"""The pictures of a report in docs/tutorials can be taken again, and show its parts."""

import pytest
from PIL import Image

import picture_report
from gavel.report.page import render
from helpers import fake_results


def test_each_picture_has_its_part_of_the_report(opened, tmp_path):
    config = fake_results.build(tmp_path / "results", {"main": 80}, samples=4)
    render(tmp_path / "results", config, tmp_path / "results" / "report.html")
    page, *_ = opened((tmp_path / "results" / "report.html").as_uri(), picture_report.VIEW["width"])
    picture_report.take(page, tmp_path)
    for name, (first, last) in picture_report.PICTURES.items():
        image = Image.open(tmp_path / name)
        begin, end = page.locator(first).bounding_box()["y"], page.locator(last).first.bounding_box()
        expected = end["y"] + end["height"] - begin + 2 * picture_report.MARGIN
        assert image.width == picture_report.VIEW["width"] and abs(image.height - expected) <= 2
        assert len(image.convert("L").getcolors()) > 20  # not blank


def test_a_report_without_a_judge_is_refused(opened, tmp_path):
    (tmp_path / "page.html").write_text('<header id="answer"></header><figure>x</figure>')
    page, *_ = opened((tmp_path / "page.html").as_uri())
    with pytest.raises(SystemExit, match="has no #judge ~ figure"):
        picture_report.take(page, tmp_path)
