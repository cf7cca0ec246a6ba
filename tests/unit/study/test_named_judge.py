"""The judges of `gavel replay`, `gavel judge` and section `replay`: a model, or the judge of a study."""

import pytest
import yaml

from gavel.common.errors import InputError
from gavel.common.paths import ROOT
from gavel.study import resolve
from gavel.study.named_judge import named_judge, watch_access, watching_judges

SHIPPED = yaml.safe_load((ROOT / "config/config.yaml").read_text())


def written(path, **changes):
    path.write_text(yaml.safe_dump(SHIPPED | changes))
    return str(path)


def test_a_model_is_a_single_token_judge_with_the_shipped_prompt():
    found = named_judge("resources/models/two-bit-judge", ROOT, "--judge")
    assert found.study is None
    assert found.settings["model"].endswith("resources/models/two-bit-judge")
    assert found.prompts == ["judge"]


def test_a_study_gives_its_judge_with_its_settings(tmp_path):
    judge = SHIPPED["judge"] | {"score": "hard"}
    found = named_judge(
        written(tmp_path / "own.yaml", study="own", results_dir="results/own", judge=judge), ROOT, "--judge"
    )
    assert found.settings["score"] == "hard"
    assert found.settings["model"] == found.study["judge"]["model"]
    assert found.prompts == ["judge"]


def test_a_judge_that_is_not_trained_yet_is_named(tmp_path):
    judge = SHIPPED["judge"] | {"kind": "pairwise", "self_taught": {}}
    path = written(tmp_path / "own.yaml", study="own", results_dir="results/own", judge=judge)
    with pytest.raises(InputError, match=r"--judge: .*own.yaml trains its judge, but .* does not exist yet; run"):
        named_judge(path, ROOT, "--judge")


def test_a_replay_needs_a_model_that_is_there(tmp_path):
    def found(**judge):
        path = written(tmp_path / "own.yaml", study="own", results_dir="results/own", judge=SHIPPED["judge"] | judge)
        return named_judge(path, ROOT, "config: replay.judges.a", here=True)

    assert found().settings["model"].endswith("resources/models/judge")
    assert found(model=None, kind="simulated", simulated={}).settings["model"] == ""
    server = {"base_url": "http://localhost:1/v1"}
    assert found(model="owner/name", server=server).settings["model"] == "owner/name"
    for model in ("owner/name", "scratch"):
        with pytest.raises(
            InputError, match=r"replay.judges.a: the judge of .*own.yaml is .*, which is no local folder"
        ):
            found(model=model)


def test_the_section_takes_folders_and_studies_only(tmp_path):
    def resolved(**section):
        return resolve.resolve(SHIPPED | {"replay": {"judges": section}}, ROOT)["replay"]["judges"]

    path = written(tmp_path / "own.yaml", study="own", results_dir="results/own")
    folder = "resources/models/two-bit-judge"
    assert resolved(a=path, b=folder) == {"a": path, "b": folder}
    with pytest.raises(
        InputError, match="replay.judges.a: owner/name is neither a model folder nor a YAML file; .* download it first"
    ):
        resolved(a="owner/name")
    with pytest.raises(InputError, match="replay.judges.a: no such file or folder: ./nowhere"):
        resolved(a="./nowhere")
    with pytest.raises(InputError, match="name '../a': expected only letters"):
        resolved(**{"../a": folder})


def test_the_section_needs_kept_rollouts():
    section = {"judges": {"a": "resources/models/two-bit-judge"}}
    rl = SHIPPED["rl"] | {"keep_rollouts": 0}
    with pytest.raises(InputError, match="replay.judges needs the completions of RL, but rl.keep_rollouts is 0"):
        resolve.resolve(SHIPPED | {"replay": section, "rl": rl}, ROOT)


def watching(root=ROOT, **judges):
    return watching_judges(resolve.resolve(SHIPPED | {"judge": SHIPPED["judge"] | {"watch": judges}}, root), root)


def test_judges_that_watch_are_named_as_those_that_replay(tmp_path):
    path = written(tmp_path / "own.yaml", study="own", results_dir="results/own")
    found = watching(a=path, b="resources/models/two-bit-judge")
    assert found["a"].settings["labels"] == [" Yes", " No"]
    assert found["b"].settings == {"model": found["b"].folders[0]}
    for name, why in {
        "owner/name": "judge.watch.a: owner/name is neither a model folder nor a YAML file; .* download it first",
        "./nowhere": "judge.watch.a: no such file or folder: ./nowhere",
    }.items():
        with pytest.raises(InputError, match=why):
            watching(a=name)
    with pytest.raises(InputError, match="judge.watch: name '../a': expected only letters"):
        watching(**{"../a": path})


def test_a_judge_that_watches_scores_single_responses_and_needs_no_server_of_the_job(tmp_path):
    def named(**judge):
        return watching(a=written(tmp_path / "own.yaml", study="own", results_dir="results/own", judge=judge))

    pairwise = {"model": "resources/models/judges", "kind": "pairwise"}
    with pytest.raises(InputError, match=r"judge.watch.a: the judge of .*own.yaml is pairwise, .* name a pointwise"):
        named(**pairwise)
    with pytest.raises(InputError, match=r"judge.watch.a: each job of .*own.yaml starts its judge's server"):
        named(model="owner/name", server={"serve": "job"})
    server = {"base_url": "http://localhost:1/v1", "concurrency": 3}
    assert named(model="owner/name", server=server)["a"].folders == []


def test_a_training_job_reaches_a_watching_judge_with_validation_answers_only(tmp_path):
    def access(**judge):
        path = written(tmp_path / "own.yaml", study="own", results_dir="results/own", judge=judge)
        study = resolve.resolve(SHIPPED | {"judge": SHIPPED["judge"] | {"watch": {"a": path}}}, ROOT)
        return watch_access(study, "a", "data/validation.jsonl")

    assert access(kind="simulated", simulated={})["answers"] == ["data/validation.jsonl"]
    server = {"base_url": "http://localhost:1/v1", "concurrency": 3}
    reached = access(model="owner/name", server=server, batch_tokens=7)
    assert (reached["server"]["base_url"], reached["server"]["concurrency"]) == ("http://localhost:1/v1", 3)
    assert reached["batch_tokens"] == 7 and "answers" not in reached
