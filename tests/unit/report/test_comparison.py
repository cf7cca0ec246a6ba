"""What a comparison of studies shows."""

import copy
import html.parser
import json
import os
import re
import shutil
from types import NoneType, SimpleNamespace
from typing import Annotated, Literal, get_args, get_origin
from xml.etree import ElementTree

import pandas as pd
import pytest
import yaml

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl, write_jsonl
from gavel.report.comparison import judge_cost, tables
from gavel.report.comparison import page as comparison
from gavel.report.comparison.page import Primary, _by_outcome, _listed, series
from gavel.report.comparison.tables import counterpart, differences, labels_for, paired_table
from gavel.report.plots.results import accuracy_against
from gavel.study.schema.base import Section, types_in
from gavel.study.schema.study import Config, Sweep
from helpers.devices import read_pipe
from helpers.fake_judges import judge_benchmark, judge_training
from helpers.fake_results import build


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two studies with other numbers, the second with one run more."""
    root = tmp_path_factory.mktemp("studies")
    found = {}
    for name, seed, lambdas in (("first", 0, ("0.5", "1")), ("second", 1, ("0", "0.5", "1"))):
        made = build(root / name, {"main": 60}, samples=2, algorithms=("grpo",), lambdas=lambdas, seed=seed)
        made = {key: value for key, value in made.items() if key != "provenance"}
        (root / name / "config.yaml").write_text(yaml.safe_dump(copy.deepcopy(made)))
        found[name] = root / name
    return found


class Text(html.parser.HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.cells, self.links, self.cell = [], [], None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag in ("td", "th"):
            self.cell = ""
        if tag == "a":
            self.links.append(dict(attrs).get("href"))

    def handle_data(self, data):
        if self.cell is not None:
            self.cell += data

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.cells.append(" ".join(self.cell.split()))
            self.cell = None


@pytest.mark.parametrize("axis", [axis for axis in comparison.AXES if axis != "judge_tokens"])
def test_a_comparison_shows_every_study_and_links_to_it(folders, tmp_path, axis):
    out = tmp_path / "page.html"
    comparison.render(folders, out, title="t", question="Which?", axis=axis, figures_dir=tmp_path / "figures")
    page = Text(out.read_text())
    assert {"first", "second"} <= set(page.cells)
    assert any(link.endswith("second/report.html") for link in page.links)
    drawn = list((tmp_path / "figures").glob("*.csv"))
    assert len(drawn) == 1
    lines = drawn[0].read_text().splitlines()
    gain = comparison.AXES[axis].gain
    assert len(lines) == (1 + 2 + 3 if gain else 1 + 3 + 4)  # a heading, and two or three runs
    svg = next((tmp_path / "figures").glob("*.svg")).read_text()
    assert svg.count(">SFT<") == (0 if gain else 1)  # in the legend
    assert svg.count(">difference from SFT, points<") == (1 if gain else 0)
    assert "rl.lambda: [0.0, 0.5, 1.0]" in page.cells


def test_every_axis_can_be_named_in_a_sweep_and_on_the_command_line(capsys):
    from gavel.cli.main import main

    assert get_args(Sweep.model_fields["axis"].annotation) == tuple(comparison.AXES)
    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    assert f"{{{','.join(comparison.AXES)}}}" in re.sub(r"\s+", "", capsys.readouterr().out)


def test_the_command_compares_folders_under_names_that_tell_them_apart(folders, tmp_path, capsys):
    from gavel.cli.main import main

    out = tmp_path / "page.html"
    assert main(["compare", *map(str, folders.values()), "--out", str(out), "--axis", "judge_auc"]) == 0
    assert {"first", "second"} <= set(Text(out.read_text()).cells)
    assert main(["compare", str(folders["first"]), str(tmp_path), "--out", str(out)]) == 2
    assert main(["compare", str(folders["first"]), str(folders["first"])]) == 2
    assert "the same folder is given twice" in capsys.readouterr().err


def test_a_page_goes_into_a_pipe_and_takes_the_place_of_what_a_link_leads_to(folders, tmp_path, capsys):
    from gavel.cli.main import main

    asked = ["compare", *map(str, folders.values()), "--out"]
    os.mkfifo(tmp_path / "pipe")
    with read_pipe(tmp_path / "pipe") as found:
        assert main([*asked, str(tmp_path / "pipe")]) == 0
    assert capsys.readouterr().out == ""  # there is nothing to open
    (tmp_path / "link").symlink_to("page.html")
    assert main([*asked, str(tmp_path / "link")]) == 0
    assert (tmp_path / "link").is_symlink() and "</html>" in found[0]
    assert "</html>" in (tmp_path / "page.html").read_text()


def test_the_table_leaves_a_gap_where_a_study_has_no_such_run(folders):
    studies = {name: comparison.load_study(folder) for name, folder in folders.items()}
    table = comparison.main_results_table(studies, "main")
    titles = [title for title, _ in table.columns]
    place = titles.index("GRPO λ\u00a0=\u00a00")
    assert table.rows[0][place].text == "–"
    assert table.rows[1][place].text != "–"


def test_studies_are_compared_question_by_question(folders):
    studies = {name: comparison.load_study(folder) for name, folder in folders.items()}
    table = paired_table(studies, "main")
    assert [[cell.text for cell in row[:3]] for row in table.rows] == [
        ["second", label, label] for label in ("SFT", "GRPO λ\u00a0=\u00a00.5", "GRPO λ\u00a0=\u00a01")
    ]
    own, other = (studies[name].metric("sft", "main", "greedy").value for name in ("second", "first"))
    assert table.rows[0][3].sort == pytest.approx(own - other, abs=1e-6)


def test_other_questions_under_the_same_ids_are_not_compared(folders, tmp_path):
    shutil.copytree(folders["first"], tmp_path / "third")
    for path in (tmp_path / "third/evaluation").rglob("samples.jsonl"):
        write_jsonl(path, [row | {"question": "Another one?"} for row in read_jsonl(path)])
    studies = {
        name: comparison.load_study(folder) for name, folder in (folders | {"third": tmp_path / "third"}).items()
    }
    assert {row[0].text for row in paired_table(studies, "main").rows} == {"second"}


def test_a_primary_run_without_a_namesake_is_compared_with_the_primary_run(folders):
    first, second = (comparison.load_study(folder) for folder in folders.values())
    second.study = second.study | {"primary": second.study["primary"] | {"lambda": 0}}
    assert counterpart(second, "grpo-lambda0-seed0", first) == "grpo-lambda0.5-seed0"
    assert counterpart(second, "grpo-lambda1-seed0", first) == "grpo-lambda1-seed0"


def test_studies_whose_names_share_a_suffix_form_a_line():
    names = ["weak", "strong", "weak_noise", "strong_noise", "kl_loss"]
    assert list(series(names).values()) == ["", "", "noise", "noise", ""]


def test_a_run_in_several_series_is_drawn_once_for_each():
    rows = [
        {"study": f"at {place} {name}", "x": place, "run": run, "series": name, "label": run, "algorithm": "grpo"}
        for place in (0.1, 0.2, 0.9)
        for name, run in (("", "grpo"), ("noise", "grpo"), ("own", "other"))
    ]
    table = pd.DataFrame(rows).assign(**{"lambda": 0.0, "value": 0.5, "low": 0.4, "high": 0.6})
    svg = accuracy_against(table, "judge's J")
    drawn = [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]
    assert {"grpo", "grpo (noise)", "other"} <= set(drawn)
    assert not any(name in drawn for name in table.study)  # too many for the axis


def test_many_studies_are_named_by_outcome_in_the_order_of_the_axis():
    def primary(study, place, low, high):
        return Primary(study, place, SimpleNamespace(difference=(low + high) / 2, low=low, high=high))

    found = [primary("c", 0.8, 0.01, 0.03), primary("b", 0.4, -0.01, 0.02), primary("a", -0.2, -0.3, -0.1)]
    found += [primary("d", 0.9, 0.02, 0.04), Primary("e", 0.1, None)]
    assert _by_outcome(found) == (
        "gained with c and d; lost with a; shows no significant difference with b; has no result with e"
    )
    assert _listed([found[0], found[-1]]) == "c: +2.0 (+1.0 to +3.0); e: no result"


def test_tables_follow_the_lines_of_the_figure(folders, monkeypatch):
    study = comparison.load_study(folders["first"])
    places = {"zero": 0.0, "plus": 0.5, "zero_noise": 0.1, "minus": -0.5, "plus_noise": 0.6, "unknown": None}
    monkeypatch.setattr(
        comparison, "axis_positions", lambda studies, axis: {name: places.get(name) for name in studies}
    )
    ordered = comparison.in_order(dict.fromkeys(places, study), "judge_j")
    assert list(ordered) == ["minus", "zero", "plus", "unknown", "zero_noise", "plus_noise"]


def test_accuracy_is_expressed_in_labels():
    curve = [(20, 0.3), (40, 0.5), (160, 0.9)]
    assert labels_for(0.2, curve) == labels_for(0.3, curve) == 20
    assert labels_for(0.4, curve) == pytest.approx((20 * 40) ** 0.5)
    assert labels_for(0.7, curve) == pytest.approx(80)
    assert labels_for(0.9, curve) == pytest.approx(160)
    assert labels_for(0.91, curve) is None
    # Where more labels were worse, the first number that is enough counts.
    assert labels_for(0.5, [(20, 0.3), (40, 0.5), (80, 0.4), (160, 0.6)]) == pytest.approx(40)


def test_the_label_axis_gives_the_labels_that_sft_would_need(folders):
    studies = {name: comparison.load_study(folder) for name, folder in folders.items()}
    assert "Label efficiency" not in comparison.headline_sentence(studies, "labels")  # both have the same number
    for labels, found in zip((20, 80), studies.values(), strict=True):
        found.splits = {"counts": {"labeled": labels}}
    text = comparison.headline_sentence(studies, "labels")
    reached = "what GRPO λ\u00a0=\u00a00.5 on main reaches with 20 and 80 labels, SFT alone would reach with "
    assert f"Label efficiency: {reached}" in text
    assert "Label efficiency" not in comparison.headline_sentence(studies, "variant")


@pytest.fixture
def costly(folders, tmp_path):
    """Three studies: a judge that took a tenth of the tokens of the next, which has been trained, and one whose primary
    run asked none."""
    found = {name: tmp_path / name for name in ("cheap", "dear", "verified")}
    for name, folder in found.items():
        shutil.copytree(folders["second" if name == "dear" else "first"], folder)
    path = found["dear"] / "runs/grpo-lambda0.5-seed0/training.csv"
    rows = pd.read_csv(path)
    rows.assign(judge_tokens=5000).to_csv(path, index=False)
    config = yaml.safe_load((found["dear"] / "config.yaml").read_text())
    config = judge_training(found["dear"], config)
    config["judge"] |= {"reasoning": {"samples": 4}, "scratch": {"steps": 1200}}
    (found["dear"] / "config.yaml").write_text(yaml.safe_dump(config))
    judge_benchmark(found["dear"], {"start": 0.1, "iteration1": 0.2, "iteration2": 0.2, "rl": 0.4}, compare=("rl",))
    judge_benchmark(found["cheap"], {"pays": 0.2})
    for name in ("selection_pairs", "judgments/1", "train_judge/rl"):
        path = found["dear"] / "benchmarks" / f"{name}.tsv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("s\tmax_rss\n20.5\t900.0\n")
    config = yaml.safe_load((found["verified"] / "config.yaml").read_text())
    config["primary"]["lambda"] = 1
    (found["verified"] / "config.yaml").write_text(yaml.safe_dump(config))
    return found


def test_the_token_axis_has_a_point_a_judge_and_sft_as_a_line(costly, tmp_path):
    out = tmp_path / "page.html"
    comparison.render(costly, out, title="t", question="Which?", axis="judge_tokens", figures_dir=tmp_path / "figures")
    rows = pd.read_csv(tmp_path / "figures/accuracy-against-judge-tokens.csv")
    judges = rows[rows.run != "SFT"]
    assert list(zip(judges.label, judges.tokens, strict=True)) == [("cheap", 40_000), ("dear", 400_000)]
    assert list(rows.label[rows.run == "SFT"]) == ["SFT of cheap", "SFT of dear"]
    svg = (tmp_path / "figures/accuracy-against-judge-tokens-main-greedy.svg").read_text()
    assert {">cheap<", ">dear<"} <= set(re.findall(r">[^<>]*<", svg))
    text = out.read_text()
    assert "Not shown, because their judge&#39;s tokens are unknown: verified." in text
    assert "Cost and gain of each judge" in text
    assert "from scratch (1,200 steps), self-taught (2 iterations), RL (40 steps)" in Text(text).cells


def test_the_token_axis_shows_one_sft_baseline_once(costly, tmp_path):
    studies = {name: comparison.load_study(costly["cheap"]) for name in ("a", "b")}
    rows = comparison.accuracy_figure(studies, "judge_tokens").data
    assert list(rows.label) == ["a", "b", "SFT"]


def test_a_section_that_one_study_has_is_shown_as_on_or_off(folders):
    studies = {name: comparison.load_study(folder) for name, folder in folders.items()}
    for name, judge in {
        "first": {"rl": None, "self_taught": {"iterations": 2}},
        "second": {"rl": {"steps": 2}},
    }.items():
        studies[name].study = {"judge": {"self_taught": None} | judge, "solution": {"format": "text"}}
    assert differences(studies) == {"first": "", "second": "judge.rl: on, judge.self_taught: off"}


def test_studies_that_have_a_section_in_which_they_differ_are_told_apart():
    judges = {"a": None, "b": {"samples": 1, "seed": 0}, "c": {"samples": 3, "seed": 0}}
    studies = {name: SimpleNamespace(study={"judge": {"reasoning": judge}}) for name, judge in judges.items()}
    assert differences(studies) == {
        "a": "",
        "b": "judge.reasoning: on (samples: 1)",
        "c": "judge.reasoning: on (samples: 3)",
    }


def test_what_a_judge_costs_stands_beside_what_it_brings(costly):
    studies = {name: comparison.load_study(folder) for name, folder in costly.items()}
    table = judge_cost.cost_table(studies)
    assert len(table.columns) == len(table.rows[0])
    rows = {row[0].text: row for row in table.rows}
    assert [cell.text for cell in rows["cheap"][1:3]] == ["single-token", "no"]
    assert (rows["dear"][1].text, rows["dear"][1].sub) == ("pairwise", "chain of thought, 4 votes")
    assert rows["dear"][2].text == "from scratch (1,200 steps), self-taught (2 iterations), RL (40 steps)"
    final = studies["dear"].judge_benchmark
    final = final[(final.judge == "rl") & (final.by == "all")].iloc[0]
    assert rows["dear"][7].sort == final.accuracy
    assert rows["dear"][7].sub == f"{100 * final.low:.1f}–{100 * final.high:.1f}"
    assert rows["dear"][8].sub, "an AUC has an interval"
    assert rows["dear"][9].sort == final.tokens_read + final.tokens_written
    assert [row[5].text for row in table.rows] == ["40,000", "400,000", "–"]
    assert [cell.text for cell in rows["dear"][10:12]] == ["50,000", "2.5 min"]
    assert rows["dear"][11].sub == "and 41 s"
    assert [cell.text for cell in rows["cheap"][10:12]] == ["–", "–"]
    row = studies["dear"].metric("grpo-lambda0.5-seed0", "main", "greedy")
    assert rows["dear"][3].sort == row.value
    assert rows["dear"][4].sort == studies["dear"].comparison(row.run, "sft", "main", "greedy").difference
    assert rows["verified"][7].text == "–"


def test_the_token_axis_names_the_cheapest_judge_that_is_not_significantly_worse(costly):
    studies = {name: comparison.load_study(folder) for name, folder in costly.items()}
    text = comparison.headline_sentence(studies, "judge_tokens")
    assert "GRPO λ\u00a0=\u00a00.5 on main: cheap (40,000 judge tokens): " in text
    values = {name: studies[name].metric("grpo-lambda0.5-seed0", "main", "greedy").value for name in ("cheap", "dear")}
    best = max(values, key=values.get)
    assert f"By judge tokens: {best} is the most accurate" in text
    samples = "evaluation/grpo-lambda0.5-seed0/main/samples.jsonl"
    for cheap, dear, expected in (
        (0.5, 0.6, "cheap takes 10 times fewer (40,000) and is not significantly worse: "),
        (0.0, 1.0, "all cheaper judges are worse, with paired 95\u00a0% intervals below zero."),
        (0.8, 0.1, "cheap is the most accurate, 80.0\u00a0% with 40,000, and no judge is cheaper."),
    ):
        for name, share, shift in (("cheap", cheap, 5), ("dear", dear, 0)):  # right on other questions
            rows = [row for row in read_jsonl(costly[name] / samples) if row["sample"] < 0]
            rows = [row | {"correct": (place + shift) % 10 < 10 * share} for place, row in enumerate(rows)]
            write_jsonl(costly[name] / samples, rows)
            rows = studies[name].metrics
            here = (rows.run == "grpo-lambda0.5-seed0") & (rows.metric == "greedy") & (rows.checkpoint == "last")
            rows.loc[here, "value"] = share
            studies[name].__dict__.pop("_metric_rows", None)
        assert expected in judge_cost.cost_sentence(studies)
    assert judge_cost.cost_sentence({"verified": studies["verified"], "cheap": studies["cheap"]}) is None


def test_a_pairwise_judge_stands_beside_a_pointwise_one(folders, tmp_path):
    ways = ("score", "elo", "knockout")
    made = build(tmp_path, {"main": 60}, samples=4, algorithms=("grpo",), lambdas=("0.5",), best_of=ways)
    made = {key: value for key, value in made.items() if key != "provenance"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(copy.deepcopy(made)))
    both = {"single": folders["first"], "pairs": tmp_path}
    studies = {name: comparison.load_study(folder) for name, folder in both.items()}
    table = tables.choices_table(studies, "main")
    assert [title for title, _ in table.columns[2:]] == ["n", "maj@n", "by score", "by Elo", "by knockout", "pass@n"]
    assert [[cell.text for cell in row[:3]] for row in table.rows] == [
        ["single", "SFT", "2"],
        ["single", "GRPO λ\u00a0=\u00a00.5", "2"],
        ["pairs", "SFT", "4"],
        ["pairs", "GRPO λ\u00a0=\u00a00.5", "4"],
    ]
    assert [cell.text == "–" for cell in table.rows[0][3:]] == [False, False, True, True, False]
    assert table.rows[2][6].sort == studies["pairs"].metric("sft", "main", "best_of_knockout", 4).value
    comparison.render(both, tmp_path / "page.html", title="t", question="Which?")
    assert 'id="choices"' in (tmp_path / "page.html").read_text()
    comparison.render(folders, tmp_path / "page.html", title="t", question="Which?")
    assert 'id="choices"' not in (tmp_path / "page.html").read_text()


def test_the_command_takes_a_folder_of_an_earlier_version(folders, tmp_path, capsys):
    from gavel.cli.main import main

    out = tmp_path / "page.html"
    assert main(["compare", *map(str, folders.values()), "--out", str(out)]) == 0
    whole = out.read_text()
    shutil.copytree(folders["second"], tmp_path / "second")
    path = tmp_path / "second" / "config.yaml"
    config = yaml.safe_load(path.read_text())
    del config["solution"], config["tracking"], config["judge"]["reasoning"], config["judge"]["rl"]
    del config["rl"]["validation"], config["evaluation"]["best_of"]
    path.write_text(yaml.safe_dump(config))
    assert main(["compare", str(folders["first"]), str(tmp_path / "second"), "--out", str(out)]) == 0
    assert Text(out.read_text()).cells == Text(whole).cells
    path.write_text(yaml.safe_dump({key: value for key, value in config.items() if key != "primary"}))
    assert main(["compare", str(folders["first"]), str(tmp_path / "second"), "--out", str(out)]) == 2
    assert capsys.readouterr().err == f"gavel: {path}: 'primary' is missing\n"


def test_a_folder_without_a_study_is_an_error(tmp_path):
    with pytest.raises(InputError, match="config.yaml: no such file"):
        comparison.load_study(tmp_path)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("config.yaml", "[", "not valid YAML"),
        ("config.yaml", "- a", "expected a study's config, found list"),
        ("metrics.csv", "x,y\n1,2\n", "metrics.csv: no column 'run'"),
        ("comparisons.csv", "", "comparisons.csv: not a CSV table"),
        ("metrics.csv", None, "metrics.csv is missing or empty"),
    ],
)
def test_a_broken_study_is_named_in_one_line(folders, tmp_path, capsys, file, text, message):
    from gavel.cli.main import main

    shutil.copytree(folders["first"], tmp_path / "broken")
    path = tmp_path / "broken" / file
    path.unlink() if text is None else path.write_text(text)
    assert main(["compare", str(tmp_path / "broken"), "--out", str(tmp_path / "page.html")]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert main(["compare", str(folders["first"]), "--out", str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err


def damaged(folder, file: str, change):
    """Change one file of a study: its text, or its JSON or YAML document; with None delete it."""
    path = folder / file
    if change is None:
        path.unlink()
    elif isinstance(change, str):
        path.write_text(change)
    elif path.suffix == ".yaml":
        path.write_text(yaml.safe_dump(change(yaml.safe_load(path.read_text()))))
    else:
        path.write_text(json.dumps(change(json.loads(path.read_text()))))


def told(folder, tmp_path, capsys, *others) -> tuple[int, str]:
    from gavel.cli.main import main

    status = main(["compare", str(folder), *map(str, others), "--out", str(tmp_path / "page.html")])
    return status, capsys.readouterr().err


def annotation(key: str):
    """What the schema says of a config key."""
    section, found = Config, None
    for part in key.split("."):
        found = next(field for name, field in section.model_fields.items() if (field.alias or name) == part).annotation
        section = next((kind for kind in types_in(found) if issubclass(kind, Section)), None)
    return found


def plain(annotation) -> set[type]:
    """The types of the YAML values that an annotation allows."""
    inner, origin = get_args(annotation), get_origin(annotation)
    if origin is Annotated:
        return plain(inner[0])
    if origin is Literal:
        return set(map(type, inner))
    if origin in (list, dict):
        return {origin}
    if inner:
        return {kind for part in inner for kind in plain(part)}
    return {dict if issubclass(annotation, Section) else annotation}


def kinds(types) -> set[type]:
    """Types of values, of which a number may be either."""
    return {float if kind is int else kind for kind in types} - {NoneType}


@pytest.mark.parametrize("key", comparison.SHAPES)
def test_the_page_takes_what_the_schema_allows(key):
    allowed, shape = plain(annotation(key)), comparison.SHAPES[key]
    assert all(issubclass(kind, shape) for kind in allowed)
    assert kinds(allowed) == kinds(get_args(shape) or {shape})
    assert (allowed == {list}) == (key in comparison.LIST_SHAPES)
    if key in comparison.LIST_SHAPES:
        one = comparison.LIST_SHAPES[key]
        assert kinds(types_in(annotation(key))) == kinds(get_args(one) or {one})


PRIMARY = {"algorithm": "grpo", "lambda": 0.5, "seed": 0, "test_set": "main", "metric": "greedy"}
RUN = "runs/grpo-lambda0.5-seed0/run.json"
SAMPLES = "evaluation/grpo-lambda0.5-seed0/main/samples.jsonl"


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("config.yaml", lambda c: c | {"primary": {"test_set": "main"}}, "config.yaml: primary.algorithm is missing"),
        *(
            (
                "config.yaml",
                lambda c, key=key: c | {"primary": PRIMARY | {key: [1]}},
                f"config.yaml: primary.{key} has the",
            )
            for key in PRIMARY
        ),
        ("config.yaml", lambda c: c | {"primary": "x"}, "config.yaml: primary has the wrong type"),
        ("config.yaml", lambda c: c | {"rl": [1]}, "config.yaml: rl has the wrong type"),
        ("config.yaml", lambda c: c | {"rl": {"lambda": ["x"]}}, "config.yaml: rl.lambda has the wrong type"),
        ("config.yaml", lambda c: c | {"rl": {"seeds": 3}}, "config.yaml: rl.seeds has the wrong type"),
        ("config.yaml", lambda c: c | {"judge": {"rl": {"steps": 3}}}, "config.yaml: 'judge.model' is missing"),
        (
            "config.yaml",
            lambda c: c | {"judge": c["judge"] | {"reasoning": 3}},
            "config.yaml: judge.reasoning has the wrong type",
        ),
        ("config.yaml", "", "config.yaml: expected a study's config, found nothing"),
        ("config.yaml", "study: x\n", " is missing"),
        ("config.yaml", "a: [", "config.yaml:1: not valid YAML"),
        (RUN, "", "run.json: not valid JSON"),
        (RUN, '{"status": "finis', "run.json: not valid JSON"),
        (RUN, "[]", "run.json: expected a JSON object, found list"),
        (RUN, "{}", "run.json: no 'status'"),
        (RUN, lambda run: run | {"status": 3}, "run.json: 'status' is int"),
        (RUN, lambda run: run | {"lambda": None}, "run.json: no 'lambda', which an RL run needs"),
        (
            "runs/grpo-lambda0.5-seed0/monitor.csv",
            "step,accuracy\nx,y\n",
            "the column 'step' has values that are not numbers",
        ),
        ("metrics.csv", "", "metrics.csv: not a CSV table"),
        ("metrics.csv", "run,checkpoint\n", "metrics.csv: no column"),
        ("comparisons.csv", "x\n1\n", "comparisons.csv: no column 'run'"),
        ("judge/calibration.json", "[]", "calibration.json: expected a JSON object"),
        ("judge/calibration.json", lambda c: c | {"auc_within": "x"}, "calibration.json: 'auc_within' is str"),
        ("judge/usage.json", "{}", "usage.json: no 'written'"),
        ("data/splits.json", lambda c: {"counts": 3}, "splits.json: 'counts' is int"),
    ],
)
def test_a_folder_assembled_by_hand_is_named_in_one_line(folders, tmp_path, capsys, file, change, message):
    shutil.copytree(folders["first"], tmp_path / "made")
    damaged(tmp_path / "made", file, change)
    status, error = told(tmp_path / "made", tmp_path, capsys)
    assert status == 2 and error.count("\n") == 1
    assert error.startswith(f"gavel: {tmp_path / 'made'}") and message in error


def test_a_table_that_is_cut_off_is_named(folders, tmp_path, capsys):
    shutil.copytree(folders["first"], tmp_path / "made")
    rows = (folders["first"] / "metrics.csv").read_text().splitlines()
    (tmp_path / "made" / "metrics.csv").write_text("\n".join([*rows[:3], rows[3][:20]]))
    status, error = told(tmp_path / "made", tmp_path, capsys)
    assert status == 2 and "metrics.csv: a row has no " in error and "cut off" in error and error.count("\n") == 1


@pytest.mark.parametrize("row", ["{}", '{"id": 1, "sample": -1, "question": "q", "gold": "1", "correct": true}'])
def test_rows_that_are_not_samples_are_named(folders, tmp_path, capsys, row):
    shutil.copytree(folders["second"], tmp_path / "made")
    (tmp_path / "made" / SAMPLES).write_text(row + "\n")
    status, error = told(folders["first"], tmp_path, capsys, tmp_path / "made")
    assert status == 2 and f"{SAMPLES}: a row is not a scored sample" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("config.yaml", lambda c: c | {"primary": PRIMARY | {"lambda": 0.25}}),  # whose run is not there
        ("config.yaml", lambda c: c | {"rl": c["rl"] | {"new": 1}, "newer": {"a": 1}}),  # of another version
        (RUN, None),
        ("comparisons.csv", None),
        ("judge/calibration.json", None),
        ("data/splits.json", None),
        (SAMPLES, None),
    ],
)
def test_what_is_missing_is_left_out_of_the_page(folders, tmp_path, capsys, file, change):
    shutil.copytree(folders["first"], tmp_path / "made")
    damaged(tmp_path / "made", file, change)
    assert told(tmp_path / "made", tmp_path, capsys, folders["second"]) == (0, "")


def test_a_primary_run_that_is_not_among_the_results_has_no_result(folders, tmp_path):
    shutil.copytree(folders["first"], tmp_path / "made")
    damaged(tmp_path / "made", "config.yaml", lambda c: c | {"primary": PRIMARY | {"lambda": 0.25}})
    found = comparison.load_study(tmp_path / "made")
    assert list(found.runs)[-1] == "grpo-lambda0.25-seed0"
    assert found.runs["grpo-lambda0.25-seed0"]["status"] == "missing"
    assert "made: no result" in comparison.headline_sentence({"made": found}, "variant")


def test_an_unexpected_error_is_one_line_with_its_place(folders, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(comparison, "main_results_table", lambda *arguments: {}["algorithm"])
    status, error = told(folders["first"], tmp_path, capsys)
    assert status == 2 and error.count("\n") == 1
    assert "a file there is not as a study writes it (KeyError: 'algorithm', in " in error
