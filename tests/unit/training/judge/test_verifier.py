"""A verifier: it learns from responses with known verdicts, is selected by its AUC, and is then a judge like others."""

import pandas as pd
import pytest

from gavel.common.errors import InputError
from gavel.common.files import write_jsonl
from gavel.jobs.launch import RunFolders
from gavel.judge import kinds, load
from gavel.study import layout, params, resolve
from gavel.study.schema.judge_training import Verifier
from gavel.study.schema.study import load as load_config
from gavel.training.judge.settings import JudgeSFTSettings
from gavel.training.judge.train import train
from gavel.training.judge.verifier import AucWithin, load_single_token, verifier_examples
from helpers import fake_results

LABELS = (" Yes", " No")  # the tokenizer of the tests' model has these as words
SAMPLING = set(layout.VERIFIER_SAMPLING)


@pytest.fixture(scope="module")
def responses(rows):
    """A right and a wrong response to each question; the wrong ones are easy to tell."""
    return [
        {"id": row["id"], "question": row["question"], "response": text, "policy": "sft", "correct": right}
        for row in rows[:12]
        for text, right in ((row["program"], True), ("def solution():\n    return 0", False))
    ]


def settings(model):
    return (
        {"model": model, "dtype": "float32", "cache": "run"}
        | kinds.KINDS["single-token"].defaults(False)
        | {"labels": LABELS}
    )


def section(**changed):
    given = {"epochs": 30, "batch_size": 8, "learning_rate": 3e-3, "warmup": 0} | changed
    found = Verifier(**given).model_dump()
    return JudgeSFTSettings(**{key: value for key, value in found.items() if key not in SAMPLING})


def run(tmp_path, tiny, rows, **changed):
    write_jsonl(tmp_path / "responses.jsonl", rows)
    arguments = {
        "method": "verifier",
        "start": tiny,
        "judge_settings": settings(tiny),
        "data": str(tmp_path / "responses.jsonl"),
        "selection": str(tmp_path / "responses.jsonl"),
        "run": RunFolders(str(tmp_path / "out"), str(tmp_path / "state"), "d"),
        "settings": section(),
        "name": "verifier",
    }
    return train(**arguments | changed)


def test_it_learns_to_rank_and_gives_scores_as_a_judge(tmp_path, tiny, responses, record_run):
    record_run(algorithm="judge-sft")
    summary = run(tmp_path, tiny, responses)
    assert (summary["algorithm"], summary["examples"]) == ("verifier", 24)
    validations = pd.read_csv(tmp_path / "out/monitor.csv")
    assert len(validations) == 11  # before training, and ten times
    assert validations.greedy.iloc[0] < 0.9 < validations.greedy.max()
    judge = load.load(**settings(str(tmp_path / "out/best")))
    verdicts = judge.verdicts([row["question"] for row in responses], [row["response"] for row in responses])
    right = [verdict.probability for verdict, row in zip(verdicts, responses, strict=True) if row["correct"]]
    wrong = [verdict.probability for verdict, row in zip(verdicts, responses, strict=True) if not row["correct"]]
    assert min(right) > max(wrong)


def test_the_label_word_follows_the_prompt_that_the_judge_is_asked(tiny, responses):
    judge = load_single_token(settings(tiny))
    first, second = verifier_examples(judge, responses[:2])
    assert first["prompt"] == judge.in_process_backend.apply_template(
        judge.render(responses[0]["question"], responses[0]["response"])[0]
    )
    assert (first["completion"], second["completion"]) == LABELS


def test_its_validation_needs_a_question_with_both_verdicts(tiny, responses):
    right = [row for row in responses if row["correct"]]
    validate = AucWithin(settings(tiny), right)
    with pytest.raises(InputError, match="no validation question has both a right and a wrong response"):
        validate(validate.judge.in_process_backend.model, None, 0)


def test_it_is_validated_as_the_judge_that_it_will_be(tmp_path, tiny, responses):
    settled = section(epochs=10, gradient_checkpointing=True)
    run(tmp_path, tiny, responses, settings=settled)
    validations = pd.read_csv(tmp_path / "out/monitor.csv")
    best = validations.greedy.max()
    validate = AucWithin(settings(str(tmp_path / "out/best")), responses)
    assert validate(validate.judge.in_process_backend.model, None, 0)["greedy"] == pytest.approx(best)


def test_nothing_to_learn_from_ends_the_study(tmp_path, tiny, responses):
    write_jsonl(tmp_path / "none.jsonl", [])
    with pytest.raises(InputError, match="nothing for verifier to learn from: no labelled question has both"):
        run(tmp_path, tiny, responses, data=str(tmp_path / "none.jsonl"))


def test_a_text_that_does_not_fit_the_context_is_named(tmp_path, tiny, responses):
    long = responses[0] | {"id": "long", "response": "return 1\n" * 4000}
    with pytest.raises(InputError, match="long"):
        run(tmp_path, tiny, [*responses, long], selection=str(write(tmp_path, responses)))


def write(tmp_path, rows):
    write_jsonl(tmp_path / "selection.jsonl", rows)
    return tmp_path / "selection.jsonl"


def configured(**judge):
    return fake_results.RAW | {"judge": {"model": "weights/judge"} | judge}


def test_the_trained_verifier_is_the_judge_of_the_study():
    study = load_config(configured(verifier={"samples": 4, "responses": 100}))
    files = layout.Layout(study["results_dir"]).judge
    stage = layout.judge_stages(study)["verifier"]
    assert (stage["data"], stage["selection"]) == (files.labeled_responses, files.selection_responses)
    assert not SAMPLING & stage["settings"].keys()
    assert layout.model(study, "judge") == files.training("verifier").best
    assert list(params.judges(study)) == ["start", "verifier"]
    sampling = params.verifier_responses(study)
    labeled = {"seed": 0, "questions": 0, "part": "all", "samples": 4, "most": 100, "key": "judge.verifier.samples"}
    assert sampling["labeled"] == labeled
    assert sampling["selection"]["most"] is None
    assert sampling["selection"]["seed"] != 0  # the calibration's


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        ({"kind": "pairwise"}, "verifier: trains only a single-token judge; write `kind: single-token`"),
        ({"reasoning": {}}, "verifier: trains a judge without reasoning"),
        ({"server": {"base_url": "http://localhost:1/v1"}}, "verifier: cannot train a judge that runs on a server"),
        ({"dtype": "bfloat16"}, "verifier: dtype bfloat16 is too coarse"),
    ],
)
def test_what_cannot_become_a_verifier_is_refused(judge, message):
    with pytest.raises(InputError, match=message):
        load_config(configured(verifier={}, **judge))


def test_its_section_is_resolved_with_the_shipped_config():
    from gavel.common.paths import ROOT
    from gavel.study import config_files

    shipped = config_files.read(str(ROOT / "config/config.yaml"))
    study = resolve.resolve(shipped | {"judge": shipped["judge"] | {"verifier": {}}}, ROOT)
    assert study["judge"]["verifier"]["responses"] == 4000
