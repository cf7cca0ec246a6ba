"""The judges of `gavel replay`, `gavel judge` and section `replay`: a model, or the judge of a study."""

import pytest
import yaml

from gavel.common.errors import InputError
from gavel.common.paths import ROOT
from gavel.study import params, resolve
from gavel.study.named_judge import (
    judge_settings,
    model_folders,
    named_judge,
    prompts_of,
    reads_answers,
    unused_modules,
    watch_access,
    watching_judges,
)

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


def panel(tmp_path, combine="minimum", **members):
    """The panel of a study as its jobs get it."""
    section = {"kind": "panel", "panel": {"judges": members, "combine": combine}}
    return judge_settings(resolve.resolve(SHIPPED | {"judge": section}, ROOT))


def own(tmp_path, name="own", **judge):
    return written(tmp_path / f"{name}.yaml", study=name, results_dir=f"results/{name}", judge=judge)


MODEL = "resources/models/two-bit-judge"


def test_the_members_of_a_panel_have_their_own_models_prompts_and_labels(tmp_path):
    prompting = {"prompt": "judge-instruct", "labels": [" No", " Yes"]}
    found = panel(tmp_path, a=MODEL, b=own(tmp_path, model="resources/models/judge", prompting=prompting))
    assert (found["kind"], found["model"]) == ("panel", "")
    assert (found["panel"]["combine"], found["panel"]["penalty"]) == ("minimum", 1.0)
    assert list(found["panel"]["members"]) == ["a", "b"]
    assert found["panel"]["members"]["b"]["labels"] == [" No", " Yes"]
    assert [folder.rsplit("/", 1)[1] for folder in model_folders(found)] == ["two-bit-judge", "judge"]
    assert prompts_of(found) == ["judge", "judge-instruct"]
    assert not reads_answers(found)
    assert unused_modules(found) == {"gavel.judge.simulated"}
    assert "panel" not in params.judge(resolve.resolve(SHIPPED, ROOT))  # another judge's params stay as they were
    assert unused_modules(params.judge(resolve.resolve(SHIPPED, ROOT))) == {
        "gavel.judge.simulated",
        "gavel.judge.panel",
    }


def test_a_simulated_member_verifies_as_the_study_of_the_panel_does(tmp_path):
    simulated = {"kind": "simulated", "simulated": {"tpr": 0.9}}
    text = SHIPPED | {"study": "own", "results_dir": "results/own", "solution": {"format": "text"}, "judge": simulated}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(text))
    found = panel(tmp_path, a=MODEL, b=str(tmp_path / "own.yaml"))
    assert found["panel"]["members"]["b"]["simulated"]["format"] == "program"
    assert reads_answers(found) and unused_modules(found) == set()
    assert watching(a=str(tmp_path / "own.yaml"))["a"].settings["simulated"]["format"] == "program"


def test_a_panel_takes_pointwise_judges_that_the_jobs_can_load(tmp_path):
    key = "judge.panel.judges.b"
    server = {"base_url": "http://localhost:1/v1"}
    for judge, why in (
        ({"model": "resources/models/judges", "kind": "pairwise"}, "is pairwise"),
        ({"model": "owner/name", "server": server}, "runs on a server, which a panel cannot ask; name a model folder"),
        ({"model": "owner/name", "server": {"serve": "job"}}, "each job of"),
        ({"model": "scratch"}, "is no local folder yet"),
        ({"kind": "panel", "panel": {"judges": {"x": MODEL, "y": MODEL}}}, "is a panel, which cannot be part of one"),
    ):
        with pytest.raises(InputError, match=rf"{key}: .*{why}"):
            panel(tmp_path, a=MODEL, b=own(tmp_path, **judge))
    itself = tmp_path / "own.yaml"
    with pytest.raises(InputError, match="is a panel, which cannot be part of one"):
        panel(tmp_path, a=MODEL, b=own(tmp_path, kind="panel", panel={"judges": {"x": MODEL, "y": str(itself)}}))
    with pytest.raises(InputError, match=f"{key}: owner/name is neither a model folder nor a YAML file"):
        panel(tmp_path, a=MODEL, b="owner/name")


def test_a_panel_watches_and_replays_as_other_judges_do(tmp_path):
    path = own(tmp_path, kind="panel", panel={"judges": {"x": MODEL, "y": "resources/models/judge"}})
    found = watching(a=path)["a"]
    assert len(found.folders) == 2 and found.prompts == ["judge"]
    assert len(named_judge(path, ROOT, "--judge").settings["panel"]["members"]) == 2


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        ({"kind": "panel"}, "panel: is missing; name its judges"),
        ({"kind": "panel", "panel": {"judges": {"a": MODEL}}}, "judge.panel.judges"),
        (
            {"panel": {"judges": {"a": MODEL, "b": MODEL}}},
            "panel: is not for a single-token judge; write `kind: panel`",
        ),
        (
            {"kind": "panel", "panel": {"judges": {"a": MODEL, "b": MODEL}, "penalty": 2}},
            "penalty: has no effect with `combine: mean`",
        ),
        (
            {"kind": "panel", "panel": {"judges": {"a": MODEL, "b": MODEL}}, "simulated": {}},
            "simulated: is not for a panel",
        ),
        (
            {"kind": "panel", "panel": {"judges": {"a": MODEL, "b": MODEL}}, "prompting": {"chat": True}},
            "prompting.chat: a panel judge has no judging prompt",
        ),
        ({"kind": "panel", "panel": {"judges": {"a": MODEL, "b": MODEL}}, "verifier": {}}, "verifier: trains only"),
    ],
)
def test_what_a_panel_cannot_have_is_said_in_one_line(judge, message):
    with pytest.raises(InputError) as error:
        resolve.resolve(SHIPPED | {"judge": {"model": "resources/models/judge"} | judge}, ROOT)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_the_config_of_a_finished_panel_study_can_be_read_again(tmp_path):
    section = {"kind": "panel", "panel": {"judges": {"a": MODEL, "b": "resources/models/judge"}, "combine": "minimum"}}
    resolved = resolve.resolve(SHIPPED | {"judge": section}, ROOT)
    assert resolve.resolve(resolved, ROOT)["judge"] == resolved["judge"]
