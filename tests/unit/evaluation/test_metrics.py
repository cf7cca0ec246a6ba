import csv
import itertools
import random

import pytest

from gavel.common.errors import InputError
from gavel.common.files import write_jsonl
from gavel.evaluation.metrics import COMPARISON_COLUMNS, METRIC_COLUMNS, _pairs, _summaries, compare, write_metrics
from gavel.evaluation.question_values import question_values
from gavel.stats.intervals import holm, wilson

RUNS = {
    "sft": {"algorithm": "sft", "lambda": None, "seed": None},
    "grpo-lambda0.5-seed0": {"algorithm": "grpo", "lambda": 0.5, "seed": 0},
    "grpo-lambda1-seed0": {"algorithm": "grpo", "lambda": 1.0, "seed": 0},
    "ppo-lambda1-seed0": {"algorithm": "ppo", "lambda": 1.0, "seed": 0},
}
TABLES = ("metrics", "comparisons", "seeds")
PRIMARY = {
    "run": "grpo-lambda0.5-seed0", "runs": ["grpo-lambda0.5-seed0"], "set": "main", "metric": "greedy", "k": 1
}  # fmt: skip


def row(name, sample, answer, gold="1", kind=None):
    return {
        "id": name,
        "sample": sample,
        "answer": answer,
        "correct": answer == gold,
        "tokens": 10 + sample,
        "finished": answer is not None,
        "kind": kind,
    }


def random_rows(seed, share=0.6, questions=40, samples=4):
    rng = random.Random(seed)
    return [
        row(f"q{index}", number, "1" if rng.random() < share else rng.choice(["2", "3", None]))
        for index in range(questions)
        for number in range(-1, samples)
    ]


def brute_majority(answers, k):
    """Expected verdict over all subsets of k samples, a tie counting by expectation."""
    wins = []
    for drawn in itertools.combinations(answers, k):
        counts = {answer: drawn.count(answer) for answer in drawn if answer is not None}
        top = [answer for answer, count in counts.items() if count == max(counts.values())]
        wins.append(top.count("1") / len(top) if top else 0)
    return sum(wins) / len(wins)


def test_votes_and_passes_equal_brute_force_over_subsets():
    rows = random_rows(1, questions=25, samples=5)
    values = question_values(rows, [1, 2, 3, 5])
    for name in {row["id"] for row in rows}:
        answers = [row["answer"] for row in rows if row["id"] == name and row["sample"] >= 0]
        for k in (1, 2, 3, 5):
            assert values["maj", k][name] == pytest.approx(brute_majority(answers, k))
            drawn = list(itertools.combinations(answers, k))
            assert values["pass", k][name] == pytest.approx(sum("1" in pick for pick in drawn) / len(drawn))


def test_greedy_is_a_plain_proportion_and_kinds_split_it():
    rows = [row(f"q{i}", -1, "1" if i < 6 else "2", kind="a" if i % 2 else "b") for i in range(10)]
    found = {(r["metric"], r["k"]): r for r in _summaries(question_values(rows, [1, 4]))}
    assert found["greedy", 1]["value"] == 0.6
    assert (found["greedy", 1]["low"], found["greedy", 1]["high"]) == wilson(6, 10)
    assert found["greedy_kind:a", 1]["n"] == found["greedy_kind:b", 1]["n"] == 5
    assert not any(metric in ("maj", "pass", "mean") for metric, _ in found)


def test_k_above_the_number_of_samples_is_left_out_and_file_order_does_not_matter():
    rows = random_rows(2)
    found = _summaries(question_values(rows, [1, 4, 8]))
    assert {r["k"] for r in found if r["metric"] == "maj"} == {1, 4}
    shuffled = sorted(rows, key=lambda r: (r["sample"], r["id"]))
    values, other = question_values(rows, [4]), question_values(shuffled, [4])
    assert values == other


def test_side_measures():
    rows = [row("q", -1, "1"), row("q", 0, None), row("q", 1, "1")]
    found = {r["metric"]: r["value"] for r in _summaries(question_values(rows, []))}
    assert found["unparsable"] == 0.5
    assert found["finished"] == 0.5
    assert found["tokens"] == 10.5


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "no samples"),
        ([row("q", 0, "1"), row("q", 0, "2")], "question q: sample 0 is repeated"),
        ([row("q", -1, "1"), row("q", -1, "2")], "sample -1 is repeated"),
        (
            [row("q", 0, "1"), row("q", 1, "1"), row("r", 0, "1")],
            "question r: 1 samples, but another has 2",
        ),
        ([row("q", -1, "1"), row("q", 0, "1"), row("r", 0, "1")], "question r"),
    ],
)
def test_unusable_samples_are_named(rows, words):
    with pytest.raises(InputError, match=words):
        question_values(rows, [1])


def test_questions_without_samples_count_in_greedy_accuracy_alone():
    rows = [row("q", -1, "1"), row("q", 0, "1"), row("q", 1, None), row("r", -1, "1"), row("s", -1, None)]
    values = question_values(rows, [2])
    assert set(values["greedy", 1]) == {"q", "r", "s"}
    assert all(set(values[key]) == {"q"} for key in (("maj", 2), ("pass", 2), ("mean", 1), ("finished", 1)))
    alone = question_values([row("r", -1, "1"), row("s", -1, None)], [2])
    assert set(alone["finished", 1]) == {"r", "s"} and ("maj", 2) not in alone


def test_votes_are_compared_with_greedy_decoding_on_the_sampled_questions():
    rows = [row("q", -1, "1"), row("q", 0, "1"), row("r", -1, "2"), row("r", 0, "1"), row("s", -1, "1")]
    values = {("sft", "best", "main"): question_values(rows, [1])}
    runs = {"sft": {"algorithm": "sft", "lambda": None, "seed": None}}
    found = {metric: pair for _, _, metric, _, pair in _pairs(values, runs, "sft")}
    first, second = found["maj-greedy"]
    assert set(first) == set(second) == {"q", "r"}


def test_compare_counts_gained_and_lost_and_refuses_other_questions():
    found = compare({"a": 1.0, "b": 1.0, "c": 0.0}, {"a": 0.0, "b": 1.0, "c": 1.0})
    assert (found["gained"], found["lost"], found["difference"], found["n"]) == (1, 1, 0.0, 3)
    assert compare({"a": 0.5}, {"a": 0.25})["gained"] is None
    with pytest.raises(InputError, match="1 questions are in only one"):
        compare({"a": 1.0}, {"a": 1.0, "b": 0.0})


def test_a_gain_in_every_question_is_not_certain():
    found = compare(dict.fromkeys("abcd", 1.0), dict.fromkeys("abcd", 0.0))
    assert (found["difference"], found["high"]) == (1, 1)
    assert found["low"] == wilson(4, 4)[0] < 0.6
    assert found["p"] == found["mcnemar_p"] == 0.125
    found = compare(dict.fromkeys("abcd", 0.0), dict.fromkeys("abcd", 1.0))
    assert (found["low"], found["high"]) == (-1, -wilson(4, 4)[0])


@pytest.fixture
def tables(tmp_path):
    files = []
    for place, run in enumerate(RUNS):
        for rank, checkpoint in enumerate(("best", "last") if run == "sft" else ("last", "best")):
            path = tmp_path / f"{run}-{checkpoint}.jsonl"
            write_jsonl(path, random_rows(place, share=0.5 + 0.1 * place, samples=0 if rank else 4))
            files.append((run, checkpoint, "main", path))
    # The other checkpoints come last, as in the workflow.
    files.sort(key=lambda file: (file[1] == "best") == (file[0] != "sft"))
    write_metrics(files, RUNS, [1, 4], PRIMARY, *(tmp_path / f"{name}.csv" for name in TABLES))
    return [list(csv.DictReader(open(tmp_path / f"{name}.csv"))) for name in TABLES]


def test_columns_and_digits(tables):
    metrics, comparisons, _ = tables
    assert list(metrics[0]) == METRIC_COLUMNS
    assert list(comparisons[0]) == COMPARISON_COLUMNS
    sft = next(r for r in metrics if r["run"] == "sft")
    assert (sft["algorithm"], sft["lambda"], sft["seed"], sft["checkpoint"]) == ("sft", "", "", "best")
    assert {r["lambda"] for r in metrics} == {"", "0.5", "1"}
    assert max(len(r["low"].lstrip("0.").replace(".", "")) for r in metrics) <= 6


def test_which_comparisons_are_made(tables):
    made = {(r["run"], r["checkpoint"], r["baseline"], r["metric"], r["k"]) for r in tables[1]}
    rl = [run for run in RUNS if run != "sft"]
    expected = {(run, "last", "sft", metric, k) for run in rl for metric, k in (("greedy", "1"), ("maj", "4"))}
    expected |= {(run, "best", "sft", "greedy", "1") for run in rl}
    expected |= {(run, "last" if run in rl else "best", run, "maj-greedy", "4") for run in RUNS}
    expected |= {("grpo-lambda0.5-seed0", "last", "grpo-lambda1-seed0", "greedy", "1")}
    assert made == expected


def test_the_baseline_is_the_best_checkpoint_of_sft(tables):
    metrics, comparisons, _ = tables
    value = {(r["run"], r["checkpoint"]): float(r["value"]) for r in metrics if r["metric"] == "greedy"}
    assert value["sft", "best"] != value["sft", "last"]
    for r in comparisons:
        if r["baseline"] == "sft" and r["metric"] == "greedy":
            expected = value[r["run"], r["checkpoint"]] - value["sft", "best"]
            assert float(r["difference"]) == pytest.approx(expected, abs=1e-5)


def test_only_the_primary_comparison_keeps_its_p(tables):
    primary = [r for r in tables[1] if r["primary"] == "True"]
    others = [r for r in tables[1] if r["primary"] == "False" and (r["checkpoint"] == "best") == (r["run"] == "sft")]
    rest = [r for r in tables[1] if r["checkpoint"] == "best" and r["run"] != "sft"]
    assert len(rest) == 3 and len(others) + len(rest) + 1 == len(tables[1])
    assert [float(r["p_adjusted"]) for r in rest] == pytest.approx(holm([float(r["p"]) for r in rest]), rel=1e-4)
    assert [(r["run"], r["baseline"], r["metric"], r["checkpoint"]) for r in primary] == [
        ("grpo-lambda0.5-seed0", "sft", "greedy", "last")
    ]
    assert primary[0]["p_adjusted"] == primary[0]["p"]
    adjusted = holm([float(r["p"]) for r in others])
    assert [float(r["p_adjusted"]) for r in others] == pytest.approx(adjusted, rel=1e-4)


def test_a_bad_file_is_named(tmp_path):
    path = tmp_path / "samples.jsonl"
    write_jsonl(path, [{"id": "q", "sample": 0}])
    with pytest.raises(InputError, match=r"samples\.jsonl: missing key 'answer'"):
        write_metrics([("sft", "best", "main", path)], RUNS, [1], PRIMARY, *(tmp_path / name for name in TABLES))


def written(tmp_path, runs, rows, ks=(1,), primary=PRIMARY):
    """The three tables of a study from rows of each (run, checkpoint, set)."""
    files = []
    for place, key in enumerate(rows):
        write_jsonl(tmp_path / f"{place}.jsonl", rows[key])
        files.append((*key, tmp_path / f"{place}.jsonl"))
    write_metrics(files, runs, list(ks), primary, *(tmp_path / f"{name}.csv" for name in TABLES))
    return [list(csv.DictReader(open(tmp_path / f"{name}.csv"))) for name in TABLES]


def test_the_drop_rate_is_relative_to_the_seed_questions(tmp_path):
    # Seeds a (right), b (right) and c (wrong); of their versions 1 of 2, 0 of 1 and 1 of 1 are right; d has no seed.
    main = [row(name, -1, answer) for name, answer in (("a", "1"), ("b", "1"), ("c", "2"), ("unused", "2"))]
    made = (("a1", "a", "1"), ("a2", "a", "2"), ("b1", "b", "2"), ("c1", "c", "1"), ("d1", "d", "1"))
    plus = [row(name, -1, answer, kind="x" if name[0] == "a" else "y") | {"seed_id": s} for name, s, answer in made]
    rows = {("sft", "best", "main"): main, ("sft", "best", "plus"): plus}
    metrics, _, _ = written(tmp_path, RUNS, rows)
    found = {r["metric"]: r for r in metrics if r["set"] == "plus" and r["metric"].startswith("pdr")}
    assert {metric: (float(r["value"]), int(r["n"])) for metric, r in found.items()} == {
        "pdr": (pytest.approx(1 - (2 / 4) / (2 / 3), abs=1e-6), 4),
        "pdr_kind:x": (pytest.approx(1 - (1 / 2) / 1, abs=1e-6), 2),
        "pdr_kind:y": (pytest.approx(1 - (1 / 2) / (1 / 2), abs=1e-6), 2),
    }
    assert not [r for r in metrics if r["set"] == "main" and "pdr" in r["metric"]]


def test_a_drop_of_everything_is_not_certain(tmp_path):
    main = [row(name, -1, answer) for name, answer in (("a", "1"), ("b", "2"))]
    plus = [row(f"{name}1", -1, "2", kind="x") | {"seed_id": name} for name in ("a", "b")]
    metrics, _, _ = written(tmp_path, RUNS, {("sft", "best", "main"): main, ("sft", "best", "plus"): plus})
    found = next(r for r in metrics if r["metric"] == "pdr")
    high = wilson(0, 2)[1]
    assert [float(found[key]) for key in ("value", "low", "high")] == pytest.approx([1, 1 - high / 0.5, 1], abs=1e-5)


def test_there_is_no_drop_rate_without_a_right_seed(tmp_path):
    plus = [row("a1", -1, "1", kind="x") | {"seed_id": "a"}]
    rows = {("sft", "best", "main"): [row("a", -1, "2")], ("sft", "best", "plus"): plus}
    assert not [r for r in written(tmp_path, RUNS, rows)[0] if "pdr" in r["metric"]]


def test_answerable_and_unanswerable_questions_are_also_counted_apart():
    rows = [row("a", -1, "1"), row("b", -1, "2"), row("c", -1, "None", gold="None")]
    golds = {"a": "1", "b": "1", "c": "None"}
    values = question_values([r | {"gold": golds[r["id"]]} for r in rows], [1])
    assert values["greedy_answerable", 1] == {"a": 1, "b": 0}
    assert values["greedy_unanswerable", 1] == {"c": 1}
    values = question_values([r | {"gold": "1"} for r in rows[:2]], [1])
    assert ("greedy_answerable", 1) not in values


def test_the_judge_chooses_among_samples_where_it_scored_them(tmp_path):
    scored = [("1", 0.9), ("2", 0.3), ("2", 0.2)]
    rows = [row("q", -1, "2") | {"judge": 0.5}]
    rows += [row("q", number, answer) | {"judge": judge} for number, (answer, judge) in enumerate(scored)]
    values = question_values(rows, [1, 3])
    assert {k: values["best_of", k]["q"] for k in (1, 3)} == {1: pytest.approx(1 / 3), 3: 1}
    assert (values["weighted_maj", 3]["q"], values["maj", 3]["q"]) == (1, 0)
    bare = question_values([{**r, "judge": None} for r in rows], [1, 3])
    assert not [metric for metric, _ in bare if metric in ("best_of", "weighted_maj")]
    made = {r["metric"] for r in written(tmp_path, RUNS, {("sft", "best", "main"): rows}, ks=[3])[1]}
    assert made == {"maj-greedy", "weighted_maj-maj", "best_of-maj"}


def picked(name, samples):
    """A question's rows from (answer, score, Elo rating, whether it won the knockout)."""
    rows = [row(name, -1, "2") | {"judge": None, "elo": None, "knockout": None}]
    for number, (answer, score, elo, won) in enumerate(samples):
        rows.append(row(name, number, answer) | {"judge": score, "elo": elo, "knockout": won})
    return rows


def test_the_best_by_elo_and_by_knockout_are_of_all_samples(tmp_path):
    rows = picked("a", [("1", 0.2, 90.0, False), ("2", 0.9, -90.0, True), ("2", 0.4, 0.0, False)])
    rows += picked("b", [("1", 0.9, 30.0, True), ("2", 0.1, 30.0, False), ("1", 0.5, -60.0, True)])  # a tie of Elo's
    rows += picked("c", [("1", None, None, None), ("2", None, None, None), ("2", None, None, None)])  # did not answer
    values = question_values(rows, [1, 3])
    assert values["best_of_elo", 3] == {"a": 1, "b": pytest.approx(1 / 2), "c": pytest.approx(1 / 3)}
    assert values["best_of_knockout", 3] == {"a": 0, "b": 1, "c": pytest.approx(1 / 3)}
    assert ("best_of_elo", 1) not in values
    metrics, comparisons, _ = written(tmp_path, RUNS, {("sft", "best", "main"): rows}, ks=[1, 3])
    found = {r["metric"]: r for r in metrics if r["k"] == "3"}
    for metric in ("best_of", "best_of_elo", "best_of_knockout"):
        value, low, high = (float(found[metric][key]) for key in ("value", "low", "high"))
        assert value == pytest.approx(sum(values[metric, 3].values()) / 3, abs=1e-5)
        assert low < value < high
    made = {r["metric"]: float(r["difference"]) for r in comparisons}
    assert set(made) == {"maj-greedy", "weighted_maj-maj", "best_of-maj"} | {
        "best_of_elo-maj",
        "best_of_knockout-maj",
        "best_of_knockout-best_of",
    }
    best, knockout = (sum(values[metric, 3].values()) / 3 for metric in ("best_of", "best_of_knockout"))
    assert made["best_of_knockout-best_of"] == pytest.approx(knockout - best, abs=1e-5)


def test_a_knockout_alone_is_held_against_the_majority(tmp_path):
    rows = picked("a", [("1", None, None, True), ("2", None, None, False)])
    made = {r["metric"] for r in written(tmp_path, RUNS, {("sft", "best", "main"): rows}, ks=[2])[1]}
    assert made == {"maj-greedy", "best_of_knockout-maj"}
    # Of fewer samples there is no vote to hold it against.
    made = {r["metric"] for r in written(tmp_path, RUNS, {("sft", "best", "main"): rows}, ks=[1])[1]}
    assert made == {"maj-greedy"}


def test_runs_of_several_seeds_are_also_taken_together(tmp_path):
    runs = {"sft": RUNS["sft"]} | {
        f"grpo-lambda{lam:g}-seed{seed}": {"algorithm": "grpo", "lambda": lam, "seed": seed}
        for lam, seed in ((0.5, 0), (0.5, 1), (1.0, 0))
    }
    rows = {("sft", "best", "main"): random_rows(0, share=0.4)}
    for place, run in enumerate(list(runs)[1:], start=1):
        rows[run, "last", "main"] = random_rows(place, share=0.6)
    metrics, _, seeds = written(tmp_path, runs, rows, ks=[1, 4])
    assert [(r["algorithm"], r["lambda"], r["set"], r["metric"], r["k"], r["seeds"]) for r in seeds] == [
        ("grpo", "0.5", "main", "greedy", "1", "2"),
        ("grpo", "0.5", "main", "maj", "4", "2"),
    ]
    single = [float(r["value"]) for r in metrics if r["lambda"] == "0.5" and r["metric"] == "greedy"]
    base = next(float(r["value"]) for r in metrics if r["run"] == "sft" and r["metric"] == "greedy")
    assert float(seeds[0]["value"]) == pytest.approx(sum(single) / 2, abs=1e-5)
    assert float(seeds[0]["difference"]) == pytest.approx(sum(single) / 2 - base, abs=1e-5)
    assert (float(seeds[0]["lowest"]), float(seeds[0]["highest"])) == pytest.approx((min(single), max(single)))
    assert float(seeds[0]["low"]) < float(seeds[0]["value"]) < float(seeds[0]["high"])


def test_a_primary_comparison_of_several_seeds_is_a_row_that_keeps_its_p(tmp_path):
    runs = {"sft": RUNS["sft"]} | {
        f"{algorithm}-lambda0.5-seed{seed}": {"algorithm": algorithm, "lambda": 0.5, "seed": seed}
        for algorithm in ("grpo", "ppo")
        for seed in range(3)
    }
    rows = {("sft", "best", "main"): random_rows(0, share=0.4)}
    for place, run in enumerate(list(runs)[1:], start=1):
        rows[run, "last", "main"] = random_rows(place, share=0.6)
    members = [run for run in runs if run.startswith("grpo")]
    primary = PRIMARY | {"run": "grpo-lambda0.5", "runs": members}
    _, comparisons, seeds = written(tmp_path, runs, rows, ks=[1, 4], primary=primary)
    (row,) = (r for r in comparisons if r["primary"] == "True")
    mine, *others = sorted(seeds, key=lambda r: (r["algorithm"], r["metric"]) != ("grpo", "greedy"))
    assert (row["run"], row["baseline"], row["checkpoint"], row["n"]) == ("grpo-lambda0.5", "sft", "last", mine["n"])
    assert (row["difference"], row["low"], row["high"], row["p"]) == (
        mine["difference"], mine["difference_low"], mine["difference_high"], mine["p"]
    )  # fmt: skip
    assert row["p_adjusted"] == row["p"] == mine["p_adjusted"]
    adjusted = holm([float(r["p"]) for r in others])
    assert [float(r["p_adjusted"]) for r in others] == pytest.approx(adjusted, rel=1e-4)
    # Until all of its runs are there, there is no primary comparison.
    del rows[members[2], "last", "main"]
    _, comparisons, seeds = written(tmp_path, runs, rows, ks=[1, 4], primary=primary)
    assert {r["primary"] for r in comparisons} == {"False"}
    assert {r["seeds"] for r in seeds if r["algorithm"] == "grpo"} == {"2"}


def test_without_sft_the_students_only_checkpoint_is_the_baseline(tmp_path):
    rl = "grpo-lambda0.5-seed0"
    runs = {"base": {"algorithm": "base", "lambda": None, "seed": None}, rl: RUNS[rl]}
    wrong, right = [row("a", -1, "2"), row("b", -1, "2")], [row("a", -1, "1"), row("b", -1, "2")]
    rows = {("base", "last", "main"): wrong, (rl, "last", "main"): right, (rl, "best", "main"): right}
    metrics, comparisons, _ = written(tmp_path, runs, rows)
    assert {(r["run"], r["checkpoint"]) for r in metrics} == {("base", "last"), (rl, "last"), (rl, "best")}
    found = {(r["run"], r["checkpoint"]): r for r in comparisons if r["baseline"] == "base"}
    assert set(found) == {(rl, "last"), (rl, "best")}
    assert {key: r["primary"] for key, r in found.items()} == {(rl, "last"): "True", (rl, "best"): "False"}
