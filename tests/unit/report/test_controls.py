"""The report's section on controls, and that they stay out of every other part."""

import pytest

from gavel.report import console, page
from gavel.report.results import load
from gavel.report.sections import controls
from helpers import fake_results

CONTROLS = {"rewards": ["majority-vote", "coin", "all-answers"], "sft": ["judge-accepted"], "base": True}
NAMES = [
    "GRPO, majority vote",
    "GRPO, coin",
    "GRPO, all answers",
    "SFT on samples that the judge accepts",
    "base model",
]


@pytest.fixture(scope="module", params=[(0,), (0, 1)], ids=["one seed", "two seeds"])
def studies(request, tmp_path_factory):
    """The same study without and with controls: folder and config of each."""
    found = []
    for name, section in (("plain", None), ("controlled", CONTROLS)):
        root = tmp_path_factory.mktemp(name) / "results"
        sizes = {"main": 120, "svamp": 30}
        config = fake_results.build(
            root, sizes, samples=2, algorithms=("grpo",), lambdas=("0", "0.5"), seeds=request.param, controls=section
        )
        found.append((root, config | {"results_dir": str(root)}))
    return found


def test_the_table_has_the_grid_and_every_control(studies):
    root, config = studies[1]
    results = load(root, config)
    table = controls.controls_table(results)
    names = [row[0].text.replace("\u00a0", " ") for row in table.rows]
    assert names == ["SFT", "GRPO λ = 0", "GRPO λ = 0.5", *NAMES]
    seeds = len(config["rl"]["seeds"])
    assert [row[1].text for row in table.rows] == ["1", *[str(seeds)] * 6, "1"]
    for row in table.rows[1:]:
        assert all(cell.sub for cell in (row[2], row[3]))  # intervals of accuracy and difference


def test_the_gap_closed_is_a_share_of_the_bounds_gain(studies):
    root, config = studies[1]
    rows = {kind.label.replace("\u00a0", " "): kind for kind in controls.kinds(load(root, config))}
    bound, vote = (rows[name].gains["main"].difference for name in ("GRPO, all answers", "GRPO, majority vote"))
    table = {row[0].text: row for row in controls.controls_table(load(root, config)).rows}
    assert rows["GRPO, all answers"].is_bound
    assert table["GRPO, all answers"][4].text == "100 %"
    assert table["GRPO, majority vote"][4].sort == pytest.approx(vote / bound)


def test_without_a_gain_of_the_bound_no_share_is_shown(studies, monkeypatch):
    gain = type("Gain", (), {"difference": 0.1, "low": -0.1, "high": 0.3})()
    kind = controls.Kind("GRPO, all answers", "", 1, {}, {"main": gain}, is_control=True, is_bound=True)
    assert controls._bound([kind], "main") is None
    results = load(*studies[1])
    shares = [title for title, _ in controls.controls_table(results).columns].count("gap closed")
    monkeypatch.setattr(controls, "_bound", lambda found, name: None)
    table = controls.controls_table(results)
    assert shares and "gap closed" not in [title for title, _ in table.columns]
    assert sum(span for _, span in table.groups) == len(table.columns) == len(table.rows[0])


def test_every_other_part_of_the_page_is_as_without_controls(studies):
    plain, controlled = (load(*study) for study in studies)
    assert list(plain.runs) == list(controlled.runs)
    for name in ("metrics", "comparisons", "seeds"):
        first, second = (getattr(results, name) for results in (plain, controlled))
        assert len(first) == len(second)
        assert set(first.columns) == set(second.columns)
    assert set(controlled.controls.runs).isdisjoint(controlled.runs)
    families = controlled.comparisons.p_adjusted
    assert (families >= controlled.comparisons.p - 1e-12).all()


def test_the_page_and_the_console_name_them(studies, tmp_path, capsys):
    root, config = studies[1]
    page.render(root, config, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert 'id="controls"' in text
    assert "The bounds with all answers know the gold answers of unlabelled questions." in text
    (root / "report.html").write_text("")
    console.print_results([config], since=0)
    printed = capsys.readouterr().err
    assert all(name in printed for name in NAMES)
    plain_root, plain = studies[0]
    page.render(plain_root, plain, tmp_path / "plain.html")
    assert 'id="controls"' not in (tmp_path / "plain.html").read_text()


def test_a_control_that_failed_says_so(studies):
    root, config = studies[1]
    results = load(root, config)
    for run in results.controls.runs:
        results.controls.runs[run] = results.controls.runs[run] | {"status": "failed"}
    notes = {kind.label: kind.note for kind in controls.kinds(results) if kind.is_control}
    assert set(notes.values()) == {"failed"}
