"""`gavel publish` without a hub: what it writes and shows, when it uses a folder again, and what it refuses."""

import shutil

import pytest

from gavel.cli.main import main
from gavel.common.files import read_json, write_json
from helpers.publishable import CONTROL, RUN, publishable

MODEL = {"README.md", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json"}
MODEL |= {"tokenizer_config.json"}
DATASET = {"README.md", "rollouts/train.parquet", "samples/main.parquet", "samples/plus.parquet"}


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    root = tmp_path_factory.mktemp("made") / "results"
    publishable(root, tiny, build={"judge": False})
    return root


@pytest.fixture
def results(made, tmp_path):
    return shutil.copytree(made, tmp_path / "results")


@pytest.fixture
def publish(results, capsys):
    """Runs the command on the study; gives (status, stdout, stderr)."""

    def run(*options, place=results):
        status = main(["publish", str(place), *options])
        return status, *capsys.readouterr()

    return run


def names(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_primary_run_is_written_beside_the_results(publish, results):
    status, out, _ = publish()
    folder = results / "published" / RUN
    assert status == 0
    assert names(folder) == {"published.json"} | {f"model/{name}" for name in MODEL} | {
        f"dataset/{name}" for name in DATASET
    }
    assert f"{folder}/model: {len(MODEL)} files, " in out and f"{folder}/dataset: {len(DATASET)} files, " in out
    size = (folder / "model/model.safetensors").stat().st_size
    assert f"  {size / 1e3:.1f} kB  model.safetensors\n" in out
    assert out.endswith(
        f"nothing was uploaded; read {folder}/model/README.md, then add --repo OWNER/NAME --push to upload\n"
    )
    assert [path.name for path in (results / "published").iterdir()] == [RUN]  # nothing half-written


def test_with_a_name_it_shows_where_files_would_go(publish, tmp_path):
    status, out, _ = publish("--repo", "me/model", "--out", str(tmp_path / "out"))
    assert status == 0
    assert "/me/model\n" in out and "/datasets/me/model-data\n" in out and "then add --push to upload" in out
    assert (
        "[`me/model-data`](https://huggingface.co/datasets/me/model-data)"
        in (tmp_path / "out/model/README.md").read_text()
    )


def test_the_model_alone(publish, tmp_path):
    status, out, _ = publish("--no-dataset", "--out", str(tmp_path / "out"))
    assert status == 0 and "dataset" not in out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"model", "published.json"}
    assert "a data set of their own" not in (tmp_path / "out/model/README.md").read_text()


@pytest.mark.parametrize("named", ["--run", "its folder"])
def test_a_run_is_named_or_its_folder_is(publish, results, named):
    if named == "--run":
        status, _, _ = publish("--run", CONTROL)
    else:
        status, _, _ = publish(place=results / "runs" / CONTROL)
    assert status == 0 and (results / "published" / CONTROL / "published.json").exists()


def test_the_same_command_uses_the_folder_with_its_edits(publish, results):
    publish()
    card = results / "published" / RUN / "model/README.md"
    card.write_text(card.read_text() + "\nBy hand.\n")
    status, out, _ = publish()
    assert status == 0 and "nothing was uploaded" in out
    assert card.read_text().endswith("\nBy hand.\n")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--run", CONTROL], f"holds the run '{RUN}'; name another folder with --out, or delete this one"),
        (["--repo", "me/model"], "was written with other options (repo); name another folder"),
        (["--withheld-answers", "--no-dataset"], "was written with other options (dataset, answers); name another"),
    ],
)
def test_a_folder_of_something_else_is_kept(publish, tmp_path, options, problem):
    out = str(tmp_path / "out")
    publish("--out", out)
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    status, _, error = publish("--out", out, *options)
    assert (status, error.count("\n")) == (2, 1) and problem in error
    assert before == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}


def test_a_folder_of_older_results_is_not_published(publish, results):
    publish()
    about = read_json(results / "runs" / RUN / "run.json")
    write_json(results / "runs" / RUN / "run.json", about | {"seconds": 1.0})
    status, _, error = publish()
    assert status == 2 and "was written from other results of this run; delete it, and give the command again" in error


def test_a_folder_of_the_users_is_not_touched(publish, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("mine")
    status, _, error = publish("--out", str(tmp_path / "out"))
    assert status == 2 and "is not empty, and `gavel publish` has not written it; name another folder" in error
    assert names(tmp_path / "out") == {"thesis.tex"}


def test_an_empty_folder_is_filled(publish, tmp_path):
    (tmp_path / "out").mkdir()
    assert publish("--out", str(tmp_path / "out"))[0] == 0
    assert (tmp_path / "out/model/README.md").exists()


def test_a_failure_leaves_nothing(publish, results, tmp_path):
    (results / f"evaluation/{RUN}/plus/samples.jsonl").unlink()
    status, _, error = publish("--out", str(tmp_path / "out"))
    assert status == 2 and "no such file" in error
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out*"))


def test_a_folder_that_cannot_be_written_is_named(publish, tmp_path):
    (tmp_path / "file").write_text("")
    status, _, error = publish("--out", str(tmp_path / "file/out"))
    assert (status, error.count("\n")) == (2, 1) and "file" in error and "check the path" in error
    status, _, error = publish("--out", str(tmp_path / "file"))
    assert status == 2 and "is not empty" in error


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--repo", "model"], "--repo 'model': has no owner; expected OWNER/NAME, such as my-group/model"),
        (["--repo", "me/a--b"], "--repo 'me/a--b': Cannot have -- or .. in repo_id"),
        (["--repo", "a/b/c"], "--repo 'a/b/c': Repo id must be in the form"),
        (["--repo", f"me/{'a' * 94}"], "Repo id must use alphanumeric chars"),
        (["--base-model", "./student"], "--base-model './student': "),
        (["--push"], "--push: needs --repo OWNER/NAME"),
        (["--repo", "me/model", "--private"], "--private: only --push creates a repository"),
        (["--run", "ppo"], "no run 'ppo'; choose from sft, grpo-lambda0-seed0, "),
        (["--adapters"], "only RL runs with rl.lora keep their adapters"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(publish, results, options, problem):
    status, _, error = publish(*options)
    assert (status, error.count("\n")) == (2, 1) and problem in error
    assert not list((results / "published").glob("*")) and not list((results / "published").glob(".*"))


def test_a_run_folder_and_another_run_are_refused(publish, results):
    status, _, error = publish("--run", "sft", place=results / "runs" / RUN)
    assert status == 2 and "is the folder of another run than --run sft; name one of them" in error


@pytest.mark.parametrize("place", ["missing", "missing/runs/sft"])
def test_a_missing_study_is_refused(publish, tmp_path, place):
    status, _, error = publish(place=tmp_path / place)
    assert (status, error.count("\n")) == (2, 1) and f"{tmp_path}/missing/config.yaml: no such file" in error


def test_deleted_weights_are_named(publish, results):
    shutil.rmtree(results / "runs" / RUN / "final")
    status, _, error = publish()
    assert status == 2 and f"runs/{RUN}/final: has no weights" in error
