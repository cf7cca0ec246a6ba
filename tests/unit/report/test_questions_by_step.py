"""The rollout browser's part of the page: what is chosen, how large it is, and that no text escapes from it."""

import json
import re
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gavel.common.errors import InputError
from gavel.replay.questions_by_step import POOLS, SCHEMA
from gavel.report.page import render
from gavel.report.results import load
from gavel.report.sections import questions_by_step
from gavel.report.sections.questions_by_step import BUDGET, LONGEST, SHARE, STEPS, browser
from helpers import fake_results
from helpers.pages import Tags


def grid(root, controls=None, **rl):
    """The config of a study of which there is nothing but its followed questions."""
    config = fake_results.STUDY | {"rl": fake_results.STUDY["rl"] | rl}
    config |= {"controls": config["controls"] | (controls or {})}
    fake_results.followed_questions(root, config)
    return config


def made(root, config):
    return browser(load(root, config))


def rows_of(root):
    return pq.read_table(root / "questions.parquet").to_pylist()


def write(root, rows):
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), root / "questions.parquet")


def test_every_response_is_there_with_what_was_said_of_it(study):
    root, config = study
    found = made(root, config)
    data = json.loads(found.data)
    assert [card["pool"] for card in data["questions"]] == [pool for pool in POOLS for _ in range(4)]
    assert data["runs"] == ["GRPO λ\u00a0=\u00a00.5"]
    rows = {(row["id"], row["step"]): row for row in rows_of(root)}
    shown = 0
    for card in data["questions"]:
        for run, text, step, truth, score, judge, verifier, finished, control in card["responses"]:
            row = rows[card["id"], step]
            assert (run, control) == (0, 0)
            assert card["texts"][text] == row["response"]
            assert score == (None if row["judge"] is None else pytest.approx(row["judge"], abs=6e-4))
            assert (truth, judge, bool(finished)) == (row["truth"], row["judge_right"], row["finished"])
            assert verifier == (None if row["verifiable"] is None else row["verifiable"] == 1)
            shown += 1
    assert (found.responses, found.all_responses) == (shown, len(rows))
    assert found.questions == found.all_questions == 12


def test_steps_are_spread_evenly_with_the_first_and_the_last(study):
    root, config = study
    card = json.loads(made(root, config).data)["questions"][0]
    steps = [step for _, _, step, *_ in card["responses"]]
    assert len(steps) == STEPS < len([row for row in rows_of(root) if row["id"] == card["id"]])
    assert (steps[0], steps[-1]) == (0, 80) and steps == sorted(set(steps))


def test_a_text_that_comes_twice_is_there_once(study):
    root, config = study
    write(root, [row | {"response": "the same"} for row in rows_of(root)])
    assert {tuple(card["texts"]) for card in json.loads(made(root, config).data)["questions"]} == {("the same",)}


@pytest.mark.parametrize("text", ["word " * 1000, "<" * 5000, "漢" * 5000, "\0" * 5000], ids=["long", "<", "漢", "NUL"])
def test_a_hundred_runs_with_long_texts_stay_within_the_budget(tmp_path, text):
    lambdas = {"lambda": [0, 0.25, 0.5, 0.75, 1]}
    config = grid(tmp_path, algorithms=["grpo", "ppo"], seeds=list(range(10)), **lambdas)
    rows = [row | {"response": f"{place} {text}"} for place, row in enumerate(rows_of(tmp_path))]
    write(tmp_path, rows)
    found = made(tmp_path, config)
    assert BUDGET / 2 < len(found.data.encode()) <= BUDGET + 20_000  # the runs' names come on top
    cards = json.loads(found.data)["questions"]
    assert {card["pool"] for card in cards} == set(POOLS)
    for card in cards:
        assert card["responses"]
        assert len(questions_by_step._json(card["texts"]).encode()) <= SHARE
        assert all(len(one) < LONGEST + 50 for one in card["texts"])
    assert 0 < found.responses < found.all_responses == len(rows)


def test_where_not_every_run_fits_one_seed_of_each_kind_comes_first(tmp_path):
    config = grid(tmp_path, algorithms=["grpo"], seeds=list(range(6)))
    rows = [row | {"response": f"{place} {'x' * 2000}"} for place, row in enumerate(rows_of(tmp_path))]
    write(tmp_path, rows)
    data = json.loads(made(tmp_path, config).data)
    validation = data["questions"][0]
    names = {data["runs"][response[0]] for response in validation["responses"]}
    assert 3 < len(names) < 18
    assert {f"GRPO λ\u00a0=\u00a0{lam}, seed 0" for lam in ("0", "0.5", "1")} <= names


def test_the_score_of_a_control_is_called_a_reward_only_for_training_questions(tmp_path):
    config = grid(tmp_path, {"rewards": ["coin"], "seeds": [0]}, algorithms=["grpo"], seeds=[0])
    data = json.loads(made(tmp_path, config).data)
    for card in data["questions"]:
        for run, *_, control in card["responses"]:
            assert control == (card["pool"] != "validation" and "coin" in data["runs"][run].lower())
    assert any("coin" in run.lower() for run in data["runs"])


def test_texts_cannot_leave_the_script_that_holds_them(study):
    root, config = study
    render(root, config, root / "report.html")
    page = (root / "report.html").read_text(encoding="utf-8")
    tags = Tags(page)
    assert not tags.open and len(tags.ids) == len(set(tags.ids))
    assert 'onerror=\\"document' in page  # it is there, inside the JSON
    assert "<img" not in page and page.count("<script") == page.count("</script>") == 2
    inside = re.search(r'<script type="application/json" id="followed">(.*?)</script>', page, re.S)[1]
    assert not set("<>&'") & set(inside)
    assert any(fake_results.HOSTILE in card["texts"] for card in json.loads(inside)["questions"])


def test_the_page_links_the_tables_beside_it(study):
    root, config = study
    rollouts = root / "runs/grpo-lambda0.5-seed0/rollouts/rollouts.parquet"
    rollouts.parent.mkdir()
    shutil.copy(root / "questions.parquet", rollouts)
    render(root, config, root / "report.html")
    links = Tags((root / "report.html").read_text(encoding="utf-8")).addresses
    assert {"questions.parquet", "runs/grpo-lambda0.5-seed0/rollouts/rollouts.parquet"} <= set(links)


@pytest.mark.parametrize("rows", [None, []], ids=["no file", "no rows"])
def test_a_study_that_followed_none_has_no_browser(study, rows):
    root, config = study
    (root / "questions.parquet").unlink()
    if rows is not None:
        write(root, rows)
    assert made(root, config) is None
    render(root, config, root / "report.html")
    page = (root / "report.html").read_text(encoding="utf-8")
    assert 'id="questions"' not in page and 'href="#questions"' not in page and 'id="followed"' not in page


def test_a_broken_file_names_itself(study):
    root, config = study
    (root / "questions.parquet").write_text("no table")
    with pytest.raises(InputError, match=r"questions.parquet: not a Parquet table .*delete it and rerun the study"):
        made(root, config)
