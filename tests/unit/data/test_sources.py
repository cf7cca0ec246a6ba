import json

import datasets
import pytest

from gavel.common.errors import InputError
from gavel.common.paths import ROOT
from gavel.data import prepare, readers
from gavel.data.audit import audit
from gavel.data.fields import FIELDS
from gavel.data.readers import READERS
from gavel.data.sources import SkippedRows, link_seeds, load
from gavel.data.splits import make_splits
from gavel.solutions.verifier import extract
from gavel.study.schema import study

SHARED = ROOT.parent / "shared/data"
real_files = pytest.mark.skipif(not SHARED.is_dir(), reason="the published files are not on this machine")

GSM8K_ROW = {"question": "What is 1,000 and 5?", "answer": "It is <<1000+5=1005>>1005.\n#### 1,005"}
SVAMP_ROW = {
    "Body": "A pack costs 76 dollars",
    "Question": "How much is it?",
    "Answer": 76.0,
    "Type": "Addition",
}
PLUS_ROW = {
    "question": "What is 1,000 and some?",
    "solution": "Nobody knows.",
    "answer": "None",
    "perturbation_type": "critical thinking",
    "seed_question": "what is 1000 and 5",
}
MAWPS_ROW = {
    "iIndex": 1,
    "sQuestion": "Joan found 70.0 seashells . She gave Sam 27.0 of them . How many does she have ? ",
    "lEquations": ["X=(70.0-27.0)"],
    "lSolutions": [43.0],
}
ASDIV_ROW = {
    "body": "Seven red apples and two green apples are in the basket.",
    "question": "How many apples are in the basket?",
    "solution_type": "Addition",
    "answer": "9 (apples)",
    "formula": "7+2=9",
}
ASDIV_XML = """<?xml version="1.0" encoding="UTF-8" ?>
<Machine-Reading-Corpus-File>
  <ProblemSet>
    <Problem ID="nluds-0001" Grade="1" Source="http://www.k5learning.com">
      <Body>Seven red apples and two green apples are in the basket.</Body>
      <Question>How many apples are in the basket?</Question>
      <Solution-Type>Addition</Solution-Type>
      <Answer>9 (apples)</Answer>
      <Formula>7+2=9</Formula>
    </Problem>
    <Problem ID="nluds-2262" Grade="3" Source="http://www.commoncoresheets.com">
      <Body>Sam &amp; Ann need two cupcakes for each of 3 friends,</Body>
      <Question>how many should they buy?</Question>
      <Solution-Type Subtype-1="Subtraction">Multiplication</Solution-Type>
      <Answer>6 (cupcakes)</Answer>
      <Formula>(9-6)*2=6</Formula>
    </Problem>
    <Problem ID="nluds-9999" Grade="3" Source="http://www.commoncoresheets.com">
      <Body>Lunch takes from noon to one.</Body>
      <Question>When does it end?</Question>
      <Solution-Type>Sum</Solution-Type>
      <Answer>1:00 (pm)</Answer>
      <Formula>12+1=13</Formula>
    </Problem>
  </ProblemSet>
</Machine-Reading-Corpus-File>
"""
LM_EVAL_ROW = {
    "doc_id": 0,
    "doc": {"question": "What is 9 and 9?", "answer": "It is <<9+9=18>>18.\n#### 18"},
    "target": "It is <<9+9=18>>18.\n#### 18",
    "arguments": {"gen_args_0": {"arg_0": "Question: What is 9 and 9?\nAnswer:", "arg_1": {"until": ["Question:"]}}},
    "resps": [[" 9 and 9 are 18.\n#### 18"]],
    "filtered_resps": ["18"],
    "filter": "strict-match",
    "metrics": ["exact_match"],
    "doc_hash": "a",
    "prompt_hash": "b",
    "target_hash": "c",
    "exact_match": 1.0,
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def written(tmp_path):
    def write(rows, name="rows.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".json":
            path.write_text(json.dumps(rows), encoding="utf-8")
        else:
            text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
            path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def read(reader, path, label="data.train.path", **options):
    return load(reader, path=path, label=label, **options)


def test_gsm8k_record(written):
    (record,) = read("gsm8k", written([GSM8K_ROW]), split="train")
    assert record == {
        "id": "gsm8k-train-00000",
        "source": "gsm8k-train",
        "question": GSM8K_ROW["question"],
        "solution": GSM8K_ROW["answer"],
        "gold": "1005",
        "kind": None,
        "seed_id": None,
    }
    assert list(record) == list(FIELDS)


def test_ids_of_two_files_differ_without_a_split(written):
    first, second = (read("gsm8k", written([GSM8K_ROW] * 2, name))[1]["id"] for name in ("a.jsonl", "b.jsonl"))
    assert (first, second) == ("a-00001", "b-00001")


@pytest.mark.parametrize(
    "row",
    [
        SVAMP_ROW,
        SVAMP_ROW | {"Answer": "76.0"},
        SVAMP_ROW | {"Body": "A pack costs 76 dollars.", "Answer": "76"},
    ],
)
def test_svamp_published_and_hub_rows(written, row):
    (record,) = read("svamp", written([row], "svamp.json"))
    assert (record["question"], record["gold"]) == ("A pack costs 76 dollars. How much is it?", "76")
    assert record["solution"] is None and record["kind"] is None


def test_gsm_plus_keeps_none_and_links_its_seed(written):
    plus = read("gsm_plus", written([PLUS_ROW, PLUS_ROW | {"seed_question": "Another?"}]))
    main = read("gsm8k", written([GSM8K_ROW], "main.jsonl"), split="test")
    assert plus[0]["gold"] == "None" and plus[0]["kind"] == "critical thinking"
    linked = link_seeds(plus, main)
    assert [row["seed_id"] for row in linked] == ["gsm8k-test-00000", None]
    assert all(list(row) == list(FIELDS) for row in linked)


def test_gsm_symbolic_links_the_question_that_it_was_made_from(written):
    row = {"question": "A pack costs 9?", "answer": "Nine.\n#### 9", "original_question": GSM8K_ROW["question"]}
    symbolic = read("gsm_symbolic", written([row | {"id": 0, "instance": 1}]))
    main = read("gsm8k", written([GSM8K_ROW], "main.jsonl"), split="test")
    (linked,) = link_seeds(symbolic, main)
    assert (linked["gold"], linked["solution"], linked["seed_id"]) == ("9", "Nine.\n#### 9", "gsm8k-test-00000")


@pytest.mark.parametrize(("target", "gold"), [(13974335.0, "13974335"), (-12.5, "-12.5"), ("7", "7")])
def test_gsm_hard_has_large_numbers_and_no_solutions(written, target, gold):
    (record,) = read("gsm_hard", written([{"input": "How much?", "code": "def solution(): ...", "target": target}]))
    assert (record["question"], record["gold"], record["solution"]) == ("How much?", gold, None)


def test_seeds_link_to_the_first_pool_and_brought_ones_stay():
    row = dict.fromkeys(FIELDS)
    pool = [row | {"id": "test-0", "question": "One?"}, row | {"id": "train-0", "question": "one"}]
    plus = [
        row | {"id": "p", "question": "x", "seed_question": "ONE"},
        row | {"id": "q", "seed_id": "brought"},
    ]
    assert [row["seed_id"] for row in link_seeds(plus, pool)] == ["test-0", "brought"]


@pytest.mark.parametrize("solution", [43.0, 43, "43"])
def test_mawps_and_multiarith_rows(written, solution):
    bare = {"iIndex": 2, "sQuestion": "Two and two?", "lSolutions": [4], "lAlignments": []}
    first, second = read("mawps", written([MAWPS_ROW | {"lSolutions": [solution]}, bare], "MAWPS.json"))
    assert first["id"] == "MAWPS-00000" and first["question"] == MAWPS_ROW["sQuestion"].strip()
    assert (first["solution"], first["gold"]) == ("X=(70.0-27.0)\n#### 43", "43")
    assert extract(first["solution"]) == "43", "equations alone would read as 27"
    assert (second["solution"], second["gold"]) == (None, "4")


@pytest.mark.parametrize(
    ("answer", "canonical"),
    [("9 (apples)", "9"), ("9", "9"), (" 2.50 (dollars) ", "2.5"), ("1/2 (of a cake)", "0.5"), ("1,200", "1200")],
)
def test_asdiv_hub_rows(written, answer, canonical):
    (record,) = read("asdiv", written([ASDIV_ROW | {"answer": answer}]), split="validation")
    assert (record["id"], record["gold"]) == ("asdiv-validation-00000", canonical)
    assert record["question"].endswith("in the basket. How many apples are in the basket?")
    assert record["solution"] == f"7+2=9\n#### {canonical}"
    assert record["kind"] is None, "a kind is a kind of perturbation"


def test_asdiv_xml(tmp_path):
    path = tmp_path / "ASDiv.xml"
    path.write_text(ASDIV_XML, encoding="utf-8")
    skipped = SkippedRows()
    first, second = read("asdiv", str(path), skipped=skipped)
    assert (first["id"], first["source"], first["gold"]) == ("nluds-0001", "ASDiv", "9")
    assert second["question"].startswith("Sam & Ann need two cupcakes")
    assert second["question"].endswith("for each of 3 friends, how many should they buy?")
    assert (skipped.count, len(skipped.first)) == (1, 1)
    assert skipped.first[0].startswith(f"{path}: row 2: the answer '1:00' is not a number")
    with pytest.raises(InputError, match="row 2: .*; correct the row, or skip such rows with skip_bad"):
        read("asdiv", str(path))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<a><b></a>", "ParseError: mismatched tag"),
        ("", "ParseError: no element found"),
        ('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "cc">]><a>&b;</a>', "it declares a document type"),
        ('<?xml version="1.0" encoding="nonsense"?><a/>', "cannot be read as XML"),
    ],
)
def test_a_broken_or_risky_xml_file_is_an_error(tmp_path, text, reason):
    path = tmp_path / "x.xml"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        read("asdiv", str(path), skipped=SkippedRows())
    assert str(raised.value).startswith("data.train.path: ") and reason in str(raised.value)
    assert "\n" not in str(raised.value)


def test_lm_eval_logs_give_each_question_once(written):
    second = LM_EVAL_ROW | {
        "doc_id": 1,
        "doc": {"body": "A cat has 4 legs", "question": "And two?", "answer": "8 (legs)"},
        "target": "8",
    }
    other = {"filter": "flexible-extract", "filtered_resps": ["9"], "exact_match": 0.0}
    records = read("lm_eval", written([LM_EVAL_ROW, second, LM_EVAL_ROW | other, second | other], "samples.jsonl"))
    assert [row["id"] for row in records] == ["samples-00000", "samples-00001"]
    assert [row["gold"] for row in records] == ["18", "8"]
    assert records[0]["question"] == "What is 9 and 9?" and records[0]["solution"] == LM_EVAL_ROW["target"]
    assert records[1]["question"] == "A cat has 4 legs. And two?" and records[1]["solution"] is None


def test_invalid_rows_can_be_skipped_and_are_counted(written):
    bad = {"question": "Q?", "answer": "It is 5."}
    path = written([GSM8K_ROW, "", *[bad] * 12, GSM8K_ROW])
    skipped = SkippedRows()
    assert [row["id"] for row in read("gsm8k", path, skipped=skipped)] == ["rows-00000", "rows-00013"]
    assert skipped.count == 12 and len(skipped.first) == SkippedRows.MAX_SHOWN
    assert skipped.first[0].startswith(f"{path}:3: no answer") and skipped.first[1].startswith(f"{path}:4: ")
    with pytest.raises(InputError, match=r"has no rows that can be read \(1 were skipped\)"):
        read("gsm8k", written([bad]), skipped=SkippedRows())
    with pytest.raises(InputError, match="not valid JSON"):
        read("gsm8k", written([GSM8K_ROW, "{"]), skipped=SkippedRows())


def test_a_perturbed_set_needs_a_generated_one():
    plus = {"reader": "generator", "set": "plus", "perturbs": "gsm8k", "size": 1, "seed": 0}
    with pytest.raises(InputError, match="data.tests.plus.perturbs: 'gsm8k' is not a generated test set"):
        prepare.read_tests({"plus": plus}, set())


def test_a_study_reports_how_many_rows_it_skipped(written, tmp_path, capsys):
    rows = [GSM8K_ROW | {"question": f"What is {n}?"} for n in range(6)]
    empty = dict.fromkeys(("name", "split", "revision", "limit", "columns"))
    train = empty | {"reader": "gsm8k", "path": written(rows, "train.jsonl"), "skip_bad": False}
    test = empty | {"reader": "asdiv", "path": written([ASDIV_ROW, ASDIV_ROW | {"answer": "Tom"}]), "skip_bad": True}
    sizes = {"labeled": 2, "unlabeled": 2, "validation": 2, "seed": 0, "solution_format": "text"}
    summary = prepare.prepare(train=train, tests={"asdiv": test}, pretrain=None, output=tmp_path / "data", **sizes)
    assert summary["notes"]["skip_bad"] == {"asdiv": 1} and summary["counts"]["test/asdiv"] == 1
    assert json.loads((tmp_path / "data/splits.json").read_text()) == summary
    assert "rows.jsonl: 1 row skipped" in capsys.readouterr().err
    summary = prepare.prepare(
        train=train,
        tests={"own": train},
        pretrain=None,
        output=tmp_path / "data",
        **sizes | {"labeled": 0, "unlabeled": 0, "validation": 0},
    )
    assert "skip_bad" not in summary["notes"]


def test_every_reader_is_a_choice_of_the_config_and_stands_in_its_reference():
    reference = (ROOT / "docs/reference/config.md").read_text()
    (line,) = [line for line in reference.splitlines() if line.startswith("| `reader` |")]
    source = study.schema()["$defs"]["Source"]["properties"]["reader"]
    assert source["enum"] == ["generator", *READERS]
    for name, reader in READERS.items():
        assert f"`{name}`: " in line and f"`{name}`: " in source["description"]
        assert (reader.__doc__ or "").strip(), f"{name} has no docstring for the reference"


def test_own_layout(written):
    rows = [{"question": "Q?", "answer": 5}, {"question": "R?", "answer": "1,200", "id": "mine", "kind": "k"}]
    first, second = read("rows", written(rows))
    assert first["id"] == "rows-00000" and first["gold"] == "5" and first["solution"] is None
    assert second["id"] == "mine" and second["gold"] == "1200" and second["kind"] == "k"


def test_in_a_file_that_a_study_wrote_gold_is_right_and_answer_the_model_s(written):
    record = dict.fromkeys(FIELDS) | {"id": "a", "question": "Q?", "gold": "5"}
    sample = record | {"id": "b", "answer": "7", "sample": -1}
    assert [row["gold"] for row in read("rows", written([record, sample]))] == ["5", "5"]
    with pytest.raises(InputError, match="no answer"):
        read("rows", written([record | {"gold": None, "answer": "7"}]))


@pytest.fixture
def kinds(written):
    rows = [PLUS_ROW | {"question": f"What is {n}?", "perturbation_type": kind} for n in range(20) for kind in "ab"]
    return written(rows)


def test_rows_are_drawn_by_their_ids_and_keep_their_order(kinds):
    whole, drawn = read("gsm_plus", kinds), read("gsm_plus", kinds, draw=5)
    assert len(drawn) == 5 and drawn == read("gsm_plus", kinds, draw=5)
    assert [row for row in whole if row in drawn] == drawn != whole[:5]
    assert read("gsm_plus", kinds, draw=100) == whole
    assert [row["id"] for row in read("gsm_plus", kinds, draw=4)] == [
        row["id"] for row in drawn if row in read("gsm_plus", kinds, draw=4)
    ]


def test_so_many_of_each_kind_are_drawn(kinds):
    drawn = read("gsm_plus", kinds, draw_per_kind=3)
    assert sorted(row["kind"] for row in drawn) == ["a"] * 3 + ["b"] * 3
    assert read("gsm_plus", kinds, draw_per_kind=50) == read("gsm_plus", kinds)


def test_limit(written):
    path = written([GSM8K_ROW] * 5 + ["not read"])
    assert len(read("gsm8k", path, limit=3)) == 3
    with pytest.raises(InputError, match="limit must be at least 1"):
        read("gsm8k", path, limit=0)


@pytest.mark.parametrize(
    ("reader", "row", "message"),
    [
        ("gsm8k", {"question": "Q?"}, "no text in 'answer'"),
        ("gsm8k", {"question": "Q?", "answer": "It is 5."}, "#### N"),
        (
            "gsm8k",
            {"question": "Q?", "answer": "#### many"},
            "'many' is not a number or the word None",
        ),
        ("gsm8k", {"answer": "#### 5"}, "no text in 'question'"),
        ("gsm8k", {"question": "  ", "answer": "#### 5"}, "no text in 'question'"),
        ("gsm_plus", PLUS_ROW | {"answer": None}, "no answer; expected a number or the word None"),
        ("gsm_plus", {**PLUS_ROW, "perturbation_type": None}, "perturbation_type"),
        ("svamp", {"Body": "B", "Question": "Q?"}, "no answer"),
        ("mawps", MAWPS_ROW | {"lSolutions": [30.0, 300.0]}, "a list of one number, found [30.0, 300.0]"),
        ("mawps", MAWPS_ROW | {"lSolutions": []}, "a list of one number, found []"),
        ("mawps", MAWPS_ROW | {"lSolutions": 43}, "a list of one number, found 43"),
        ("mawps", MAWPS_ROW | {"lEquations": "X=1"}, "'lEquations' must be a list of strings"),
        ("mawps", {**MAWPS_ROW, "sQuestion": ""}, "no text in 'sQuestion'"),
        ("asdiv", ASDIV_ROW | {"answer": "3 (cats); 4 (dogs)"}, "the answer '3 (cats); 4 (dogs)' is not a number"),
        ("asdiv", ASDIV_ROW | {"answer": "3 (cats), 4 (dogs)"}, "is not a number"),
        ("asdiv", ASDIV_ROW | {"answer": "1:00 (pm)"}, "is not a number"),
        ("asdiv", ASDIV_ROW | {"answer": "Tom"}, "is not a number"),
        ("asdiv", ASDIV_ROW | {"answer": "(apples)"}, "no answer"),
        ("asdiv", {**ASDIV_ROW, "body": None}, "no text in 'body'"),
        (
            "lm_eval",
            LM_EVAL_ROW | {"doc_id": 1, "target": "B"},
            "'target' is not a number or the word None, and does not end with",
        ),
        ("lm_eval", LM_EVAL_ROW | {"doc_id": 1, "doc": "Q?"}, "no object in 'doc'"),
        ("lm_eval", LM_EVAL_ROW | {"doc_id": 1, "doc": {"query": "Q?"}}, "no text in 'question'"),
        ("lm_eval", LM_EVAL_ROW | {"target": "19"}, "doc_id 0 is repeated with another target"),
        ("lm_eval", {"question": "Q?"}, "'doc_id' is not a number: null"),
        ("rows", {"question": "Q?"}, "no answer"),
        ("rows", {"question": 5, "answer": 1}, "'question' must be text, found int '5'"),
        ("rows", {"question": "Q?", "answer": [5]}, "the answer '[5]' is not a number"),
        ("rows", {"question": "Q?", "answer": "5", "id": 1.5}, "'id' must be text or a whole number, found float"),
        ("rows", {"question": "Q?", "answer": "So 2.\n#### 2"}, "such rows need reader gsm8k"),
        (
            "rows",
            {"question": "Q?", "answer": "5", "solution": "2 + 2\n#### 4"},
            "the solution ends with '#### 4', but the answer is 5",
        ),
        ("rows", {"question": "Q?", "answer": True}, "is not a number"),
        ("rows", {"question": "Q?", "answer": "5", "solution": 5}, "'solution' must be text, found int '5'"),
        ("rows", '{"question": "Q?", "answer": 5, "answer": 6}', "key 'answer' is given twice in one object"),
        ("rows", [1], "expected a JSON object"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(written, reader, row, message):
    own = {"question": "Q?", "answer": "1"}
    good = {
        "gsm8k": GSM8K_ROW,
        "gsm_plus": PLUS_ROW,
        "svamp": SVAMP_ROW,
        "mawps": MAWPS_ROW,
        "asdiv": ASDIV_ROW,
        "lm_eval": LM_EVAL_ROW,
        "rows": own,
    }[reader]
    path = written([good, "", row, good])
    with pytest.raises(InputError) as raised:
        read(reader, path)
    assert str(raised.value).startswith(f"{path}:3: ") and message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_repeated_ids(written):
    row = {"question": "Q?", "answer": "1", "id": "same"}
    with pytest.raises(InputError, match="rows.jsonl:2: the id 'same' is also the id of row 0"):
        read("rows", written([row, row]))


@pytest.mark.parametrize(
    "path", ["data/none.jsonl", "./none", "/nowhere/none", "none.json", "a/b/c", "x y", "none.parquet"]
)
def test_a_missing_path_names_key_and_path(path):
    with pytest.raises(InputError) as raised:
        read("gsm8k", path, label="data.tests.main.path")
    assert "data.tests.main.path" in str(raised.value) and f"{path} does not exist" in str(raised.value)


def test_no_path_unknown_reader_no_rows_wrong_format(written, tmp_path):
    with pytest.raises(InputError, match=r"data\.train\.path: no data set given"):
        read("gsm8k", None)
    with pytest.raises(InputError, match="unknown reader 'gsm9k'; choose one of gsm8k, gsm_plus, gsm_symbolic"):
        read("gsm9k", "x.jsonl")
    with pytest.raises(InputError, match="has no rows"):
        read("gsm8k", written([]))
    with pytest.raises(InputError, match="not a JSON list"):
        read("svamp", written({"rows": []}, "svamp.json"))
    with pytest.raises(InputError, match="none of the known extensions"):
        read("svamp", written([], "svamp.txt"))
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read("svamp", written(["no"], "svamp.parquet"))


def test_folder_in_the_hubs_layout(tmp_path):
    """The layout of openai/gsm8k: configurations in a README, Parquet files for each split."""
    folder = tmp_path / "gsm8k"
    for split, count in (("train", 3), ("test", 2)):
        (folder / "main").mkdir(parents=True, exist_ok=True)
        table = datasets.Dataset.from_list([GSM8K_ROW] * count)
        table.to_parquet(folder / "main" / f"{split}-00000-of-00001.parquet")
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: main\n  data_files:\n  - split: train\n    path: main/train-*\n"
        "  - split: test\n    path: main/test-*\n---\n"
    )
    records = read("gsm8k", str(folder), name="main", split="test")
    assert [row["id"] for row in records] == ["gsm8k-test-00000", "gsm8k-test-00001"]
    assert records[0]["gold"] == "1005"
    assert len(read("gsm8k", str(folder), name="main", split="train", limit=2)) == 2
    with pytest.raises(InputError, match=r"data\.train\.path: .* splits train, test, not None"):
        read("gsm8k", str(folder), name="main")
    for wrong in ({"split": "dev", "name": "main"}, {"split": "train", "name": "socratic"}):
        with pytest.raises(InputError, match=r"data\.train\.path: cannot load .* check the folder, name and split"):
            read("gsm8k", str(folder), **wrong)
    datasets.Dataset.from_list([GSM8K_ROW] * 7).to_parquet(folder / "main" / "test-00000-of-00001.parquet")
    assert len(read("gsm8k", str(folder), name="main", split="test")) == 7, "a stale cache was read"


def test_folder_saved_to_disk(tmp_path):
    table = datasets.Dataset.from_list([SVAMP_ROW] * 2)
    table.save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"test": table}).save_to_disk(tmp_path / "several")
    assert [row["id"] for row in read("svamp", str(tmp_path / "one"))] == ["one-00000", "one-00001"]
    assert len(read("svamp", str(tmp_path / "several"), split="test")) == 2
    with pytest.raises(InputError, match="splits test, not 'train'"):
        read("svamp", str(tmp_path / "several"), split="train")


def test_parquet_file(tmp_path):
    datasets.Dataset.from_list([GSM8K_ROW, {"question": None, "answer": "#### 5"}]).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(InputError, match="x.parquet: row 1: no text in 'question'"):
        read("gsm8k", str(tmp_path / "x.parquet"))
    assert read("gsm8k", str(tmp_path / "x.parquet"), limit=1)[0]["gold"] == "1005"


def test_hub_arguments_and_failure(monkeypatch):
    asked = []

    def load_dataset(*args, **options):
        asked.append((args, options))
        if len(asked) > 1:
            raise ConnectionError("Couldn't reach the Hub\nsecond line")
        return datasets.Dataset.from_list([GSM8K_ROW])

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    hub = {"name": "main", "split": "train", "revision": "abc"}
    assert read("gsm8k", "openai/gsm8k", **hub)[0]["id"] == "gsm8k-train-00000"
    assert asked == [(("openai/gsm8k", "main"), {"split": "train", "revision": "abc", "cache_dir": None})]
    with pytest.raises(InputError) as raised:
        read("gsm8k", "openai/gsm8k", **hub)
    message = str(raised.value)
    assert message.startswith("data.train.path: cannot load openai/gsm8k (ConnectionError: Couldn't reach the Hub)")
    assert "HF_HUB_OFFLINE" in message and "give a local file" in message and "\n" not in message


def test_a_log_of_an_old_harness_is_one_list_in_a_jsonl_file(tmp_path):
    path = tmp_path / "pretrained__x_gsm8k.jsonl"
    rows = [LM_EVAL_ROW | {"doc_id": n} for n in (0, 1, 0, 1)]
    path.write_text(json.dumps(rows, indent=2))
    assert [row["gold"] for row in read("lm_eval", str(path))] == ["18", "18"]
    rows[1]["target"] = "B"
    path.write_text(json.dumps(rows, indent=2))
    line = path.read_text().splitlines().index('    "doc_id": 1,')
    with pytest.raises(InputError, match=f"{path}:{line}: 'target' is not a number"):
        read("lm_eval", str(path))


@pytest.mark.parametrize("reader", ["lm_eval", "rows"])
@pytest.mark.parametrize("text", ["[]", "[\n]\n"])
def test_a_list_without_elements_has_no_rows(tmp_path, reader, text):
    (tmp_path / "rows.jsonl").write_text(text)
    with pytest.raises(InputError, match=r"rows.jsonl has no rows; give a data set with at least one"):
        read(reader, str(tmp_path / "rows.jsonl"))


@pytest.mark.parametrize(
    ("reader", "row"),
    [
        ("rows", {"question": "q", "answer": "9" * 401}),
        ("gsm8k", {"question": "q", "answer": "#### " + "9" * 401}),
        ("lm_eval", LM_EVAL_ROW | {"target": "9" * 401}),
        ("lm_eval", LM_EVAL_ROW | {"target": "#### " + "9" * 401}),
    ],
)
def test_an_answer_that_is_too_long_is_called_so(written, reader, row):
    with pytest.raises(InputError, match=r"\(too long: a number has 400 digits at most\)"):
        read(reader, written([row]))


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl", "rows.csv", "rows.tsv", "rows.parquet", "rows.xml"])
@pytest.mark.parametrize(
    "content",
    [
        b'[{"question": "caf\xe9", "answer": 1}]',
        b'[{"question": "\\ud800", "answer": 1}]',
        b'[{"question": "q", "answer": ' + b"9" * 5000 + b"}]",
        b"[" * 100_000,
        b"<a>" * 100_000,
        b"",
    ],
    ids=["latin", "surrogate", "digits", "deep list", "deep elements", "empty"],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        read("rows", str(tmp_path / name))
    assert name in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 500


def test_a_new_reader_is_one_line(monkeypatch, written):
    monkeypatch.setitem(readers.READERS, "mine", lambda row: {"question": row["q"], "gold": "1"})
    assert read("mine", written([{"q": "Q?"}]))[0]["question"] == "Q?"


@real_files
def test_published_files_load_unchanged_and_make_clean_splits():
    train = read("gsm8k", str(SHARED / "gsm8k_train.jsonl"), split="train")
    main = read("gsm8k", str(SHARED / "gsm8k_test.jsonl"), split="test")
    plus = read("gsm_plus", str(SHARED / "gsmplus_testmini.jsonl"))
    svamp = read("svamp", str(SHARED / "svamp.json"))
    assert [len(rows) for rows in (train, main, plus, svamp)] == [7473, 1319, 2400, 1000]
    plus = link_seeds(plus, main + train)
    assert sum(row["gold"] == "None" for row in plus) == 300
    assert len({row["id"] for rows in (train, main, plus, svamp) for row in rows}) == 7473 + 1319 + 2400 + 1000
    tests = {"main": main, "plus": plus, "svamp": svamp}
    splits, notes = make_splits(
        train, tests, [], labeled=500, unlabeled=0.5, validation=200, seed=0, solution_format="program"
    )
    assert notes["usable"] + notes["removed"]["duplicate"] + sum(notes["removed"]["in_test"].values()) == 7473
    report = audit(splits, tests)
    assert report["clean"] is True
    seeds = report["seeds"]["plus"]
    assert (seeds["linked"], seeds["distinct"], seeds["untraced"], seeds["traced_to"]["main"]) == (
        2400,
        300,
        0,
        300,
    )
    assert all(cell["count"] == 0 for cell in seeds["in_split"].values())
