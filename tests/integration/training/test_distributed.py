"""Two processes under gloo train what one would, through the launcher that the workflow uses."""

import csv
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gavel.common import log
from gavel.common.errors import InputError
from gavel.common.files import read_json
from gavel.common.journal import Journal
from gavel.common.paths import ACCELERATE, ROOT
from gavel.data.rollouts import read_rollouts
from gavel.jobs import process_group
from gavel.jobs.launch import RunFolders, restore_dataclasses, train
from gavel.models import loading
from gavel.models.sampling import sample
from gavel.study.schema.training import Ppo
from gavel.training import distributed
from gavel.training.rl import algorithms, rollout
from helpers import gradients
from helpers.killed_job import train_and_kill
from helpers.small_run import small_job, small_run

TWO = {"processes": 2, "distributed": "ddp"}
SETTINGS = {"prompts_per_step": 4, "ppo": Ppo(critic_warmup=1, minibatches=1).model_dump()}
SAME = ("num_tokens", "completions/mean_length", "missing", "learning_rate")
CLOSE = ("reward", "reward_labeled", "judge_unlabeled", "loss", "grad_norm", "entropy")


class Shown:
    def __init__(self):
        self.calls = []

    def mirror(self, journal, up_to_step):
        self.calls.append((journal.path.name, up_to_step))


def curve(folder, name="training"):
    return list(csv.DictReader((folder / "out" / f"{name}.csv").open()))


def rollouts(folder):
    return list(read_rollouts(folder / "out" / "rollouts"))


def weights(folder):
    return loading.load_model(str(folder)).state_dict()


def assert_trained_alike(one, two, *more):
    for a, b in zip(curve(one), curve(two), strict=True):
        assert [a[name] for name in SAME] == [b[name] for name in SAME]
        for name in (*CLOSE, *more):
            assert float(a[name]) == pytest.approx(float(b[name]), rel=1e-3, abs=1e-5), name
    for a, b in zip(rollouts(one), rollouts(two), strict=True):
        assert [(row["step"], row["group"], row["id"], row["response"]) for row in a] == [
            (row["step"], row["group"], row["id"], row["response"]) for row in b
        ]
        for name in ("reward", "advantage", "logp"):
            assert [row[name] for row in a] == pytest.approx([row[name] for row in b], rel=1e-3, abs=1e-4), name
    first, second = weights(one / "out" / "final"), weights(two / "out" / "final")
    assert max((first[name] - second[name]).abs().max() for name in first) < 1e-4


@pytest.fixture
def folders(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    return tmp_path / "one", tmp_path / "two"


def test_a_killed_job_of_two_processes_leaves_none_behind_and_goes_on(tiny, rows, folders, record_run):
    record_run(algorithm="grpo", distributed="ddp", resume=True)
    one, two = folders
    small_run(one, tiny, rows, settings=SETTINGS)
    job = small_job(two, tiny, rows, settings=SETTINGS)
    train_and_kill("gavel.training.rl.train", "ddp", job, step=2)
    assert max(row["step"] for row in Journal(two / "state" / "journal.jsonl").rows()) >= 2
    assert not (two / "out" / "run.json").exists()
    mirror = Shown()
    train("gavel.training.rl.train", TWO, 2, mirror=mirror, **restore_dataclasses(train, job))
    assert [int(row["step"]) for row in curve(two)] == [1, 2, 3, 4, 5, 6]
    assert [int(row["step"]) for row in curve(two, "monitor")] == [0, 1, 2, 3, 4, 5, 6]
    assert mirror.calls[-3:] == [("monitor.jsonl", 6), ("journal.jsonl", None), ("monitor.jsonl", None)]
    assert_trained_alike(one, two)
    assert not (two / "state.job.json").exists()


CRITIC = {"algorithm": "ppo", "settings": SETTINGS | {"steps": 4, "gradient_checkpointing": True}}
FILTER = {"by": "spread", "min_spread": 0.0008, "redraws": 2}
FILTERED = {"settings": SETTINGS | {"steps": 4, "group_filter": FILTER}}


@pytest.fixture(scope="module")
def together(tiny, rows, tmp_path_factory):
    """What `two_ranks` did, once for the tests below: its folder, the error that the job got and what it showed."""
    folder, shown = tmp_path_factory.mktemp("together"), []
    for name in ("notes", "critic", "filtered"):
        (folder / name).mkdir()
    job = small_job(folder, tiny, rows, settings=SETTINGS, validation={"on_collapse": "raise_lambda"})
    critic = small_job(folder / "critic", tiny, rows, **CRITIC)
    filtered = small_job(folder / "filtered", tiny, rows, **FILTERED)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(InputError) as error:
        patch.setenv("PYTHONPATH", str(ROOT / "tests"), prepend=os.pathsep)
        patch.setattr(log, "print_to_console", shown.append)
        run = RunFolders(str(folder), str(folder / "notes"), "d")
        train("helpers.two_ranks", TWO, 2, run=run, start=tiny, job=job, critic=critic, filtered=filtered)
    return folder, str(error.value), shown


def test_what_one_process_refuses_ends_the_job_with_its_line(together):
    assert together[1] == "data.labeled: nothing there"


def test_two_processes_train_a_critic_as_one_and_say_so_once(together, tiny, rows, tmp_path, record_run):
    record_run(algorithm="ppo", distributed="ddp")
    folder, _, shown = together
    small_run(tmp_path, tiny, rows, **CRITIC)
    told = [line.split(":")[0] for line in shown]
    # The next run, with a filter, has four steps too, and the one after it six.
    assert told[: told.index("step 0/6")] == [f"step {step}/4" for step in range(5)] * 2
    assert_trained_alike(tmp_path, folder / "critic", "value_loss", "explained_variance")


def test_two_processes_replace_the_questions_that_one_would(together, tiny, rows, tmp_path):
    small_run(tmp_path, tiny, rows, **FILTERED)
    one, two = curve(tmp_path), curve(together[0] / "filtered")
    for name in ("groups_redrawn", "groups_left_out"):
        assert [row[name] for row in one] == [row[name] for row in two]
    assert any(float(row["groups_redrawn"]) for row in one)
    assert_trained_alike(tmp_path, together[0] / "filtered")


def test_a_sharded_policy_is_sampled_and_saved_whole(together, tiny, tokenizer):
    folder = together[0]
    files = (Path(tiny), folder / "notes" / "sharded")
    assert len({frozenset(load_file(path / "model.safetensors")) for path in files}) == 1  # tied weights are there once
    saved = loading.load_model(str(folder / "notes" / "sharded"))
    assert not torch.equal(saved.state_dict()["lm_head.weight"], weights(tiny)["lm_head.weight"])
    # The main process drew three samples of up to twelve tokens, from what it then saved.
    again = sample(saved, tokenizer, ["Ben has 4 keys"], n=3, temperature=1.0, max_new_tokens=12)
    assert read_json(folder / "notes" / "texts.json")[-1] == [s.text for s in again[0]]


@pytest.mark.parametrize("missing", [False, True], ids=["all rewarded", "some rewards missing"])
@pytest.mark.parametrize("kind", algorithms.ALGORITHMS)
def test_the_gradient_of_two_processes_depends_on_neither_them_nor_micro_batches(
    together, tiny, tokenizer, tmp_path, kind, missing
):
    whole, cut = (torch.load(together[0] / "notes" / f"{kind}-{missing}-{micro}.pt") for micro in (None, 2))
    alone = None
    if kind != "gspo":  # its four mini-batches are drawn by each process for itself
        made = gradients.trainer(
            kind, loading.load_model(tiny), tokenizer, tmp_path, missing=missing, ppo={"minibatches": 1}
        )
        alone = gradients.gradients(made)
    for place, found in enumerate(cut):
        for critic in {False, kind == "ppo"}:
            assert gradients.difference(found, whole[place], critic) < 1e-5
            if alone is not None:
                assert gradients.difference(whole[place], alone[place], critic) < 1e-5


def test_a_question_that_both_processes_have_gets_the_completions_that_one_would_draw(
    together, tiny, tokenizer, tmp_path
):
    made = gradients.trainer("grpo", loading.load_model(tiny), tokenizer, tmp_path, prompts=gradients.REPEATED)
    made.rollout_func = rollout.Rollout(0, 1, 64)
    alone = gradients.completions(made._generate_and_score_completions(next(iter(made.get_train_dataloader()))))
    assert read_json(together[0] / "notes" / "repeated.json") == alone
    groups = [alone[start : start + gradients.GENERATIONS] for start in range(0, len(alone), gradients.GENERATIONS)]
    assert groups[0] != groups[2] != groups[3] != groups[0]


def test_what_one_process_sees_both_act_upon(together, record_run):
    record_run(algorithm="grpo", distributed="ddp")
    folder = together[0]
    first, second = read_json(folder / "notes" / "sums.json")
    assert first == second
    steps = curve(folder)
    assert [float(row["missing"]) for row in steps] == [0, 0.5, 0, 0, 0, 0]
    assert [row["raised"] for row in curve(folder, "monitor")] == ["", "", "", "0.75", "", "", ""]
    before, after = (float(steps[i]["reward_labeled"]) / float(steps[i]["judge_labeled"]) for i in (2, 3))
    assert before == pytest.approx(0.5)  # nothing is right yet, so a labelled reward is the judge's weight
    assert after == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("environment", "critic", "message"),
    [
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}, True, "'ppo' has a critic, .* use ddp"),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "1"}, False, "fsdp_version 2"),
        ({"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3"}, False, "use stage 2"),
    ],
)
def test_shards_that_would_go_wrong_are_refused(monkeypatch, environment, critic, message):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=message):
        distributed.check("ppo", critic)


def set_by_accelerate(kind: str) -> dict[str, str]:
    """The environment that `accelerate launch` gives its processes with one of our files."""
    from accelerate.commands import launch
    from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env

    words = [
        "--config_file",
        str(ACCELERATE / f"{kind}.yaml"),
        "--num_processes",
        "2",
        "-m",
        "gavel.jobs.launch",
        "x.json",
    ]
    arguments, defaults, _ = launch._validate_launch_command(launch.launch_command_parser().parse_args(words))
    if not arguments.use_deepspeed:
        return prepare_multi_gpu_env(arguments)
    arguments.deepspeed_fields_from_accelerate_config = ",".join(defaults.deepspeed_config)
    return prepare_deepspeed_cmd_env(arguments)[1]


@pytest.mark.parametrize(("kind", "sharding"), [("ddp", None), ("fsdp", "fsdp"), ("deepspeed", "deepspeed")])
def test_accelerate_reads_our_files_as_we_do(monkeypatch, kind, sharding):
    for name, value in set_by_accelerate(kind).items():
        monkeypatch.setenv(name, value)
    assert process_group.sharding() == sharding
    distributed.check("grpo", critic=False)
    if sharding:
        with pytest.raises(InputError, match="use ddp"):
            distributed.check("ppo", critic=True)
