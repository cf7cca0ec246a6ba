"""The page that holds what was measured of judges before RL beside what RL gained."""

import pandas as pd
import yaml

import signal_page
from gavel.common.files import write_text
from gavel.report.comparison.page import load_study
from helpers import fake_results


def setting(correlation, low, high, **more):
    about = {"judge": "dial: `x`", "algorithm": "grpo", "lambda": 0.0, "seeds": 3, "auc": 0.5 + correlation / 2}
    return (
        about
        | {"correlation": correlation, "spread": 0.3, "difference": (low + high) / 2, "low": low, "high": high}
        | more
    )


ROWS = pd.DataFrame(
    [setting(0.8, 0.02, 0.06), setting(0.9, -0.01, 0.02), setting(-0.2, -0.4, -0.2), setting(0.4, -0.05, 0.01)]
)


def test_gains_and_losses_are_counted_on_both_sides_of_the_limit():
    assert signal_page.sentence(ROWS) == (
        "Of the 2 settings below 0.5 (−0.20 to 0.40), 0 gained and 1 lost; 1 shows no significant difference. Of the 2 "
        "settings above 0.5 (0.80 to 0.90), 1 gained and 0 lost; 1 shows no significant difference. Spearman's rank "
        "correlation with the gain is 0.80 for the correlation and 0.80 for the AUC within questions."
    )


def test_the_table_is_in_the_order_of_the_correlation():
    shown = signal_page.table(ROWS)
    assert [row[4].text for row in shown.rows] == ["−0.20", "0.40", "0.80", "0.90"]
    assert shown.rows[2][-1].text == "+4.0 [+2.0 to +6.0]"
    assert [cell.text for cell in shown.rows[0][:3]] == ["dial: `x`", "GRPO λ\u00a0=\u00a00", "3"]


def test_the_figure_has_a_point_for_each_setting():
    svg = signal_page.figure(pd.concat([ROWS, pd.DataFrame([setting(0.1, 0, 0.1, algorithm="ppo")])]))
    assert "PPO λ" in svg and "GRPO λ" in svg and "difference from SFT" in svg


def test_a_study_gives_a_row_for_each_algorithm_and_lambda_below_1(tmp_path):
    study = fake_results.build(tmp_path / "sweep/a", {"main": 20}, samples=2, seeds=(0, 1))
    study = {key: value for key, value in study.items() if key not in ("provenance", "unseen_kinds")}
    write_text(tmp_path / "sweep/a/config.yaml", yaml.safe_dump(study))
    ((name, folder),) = signal_page.folders(tmp_path, ["sweep", "none"])
    rows = signal_page.collect([(name, load_study(folder))])
    assert name == "sweep: `a`" and len(rows) == 4 and set(rows["lambda"]) == {0, 0.5}
    assert rows.seeds.eq(2).all() and rows.correlation.nunique() == 1
    assert (rows.low <= rows.difference).all() and (rows.difference <= rows.high).all()
