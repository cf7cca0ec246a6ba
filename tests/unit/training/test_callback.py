"""State on disk: what is resumed, what is set aside, and what a kill leaves behind."""

from types import SimpleNamespace

import pytest

from gavel.common.digests import job_digest
from gavel.common.journal import Journal
from gavel.models import loading
from gavel.study.schema.training import Validation
from gavel.training import callback
from gavel.training.callback import RunCallback, write_curve
from gavel.training.rl.rewards import LambdaSchedule
from gavel.training.rl.settings import ValidationSettings
from gavel.training.rl.validation_actions import CollapseHandler
from gavel.training.state import COMPLETE, RunState, policy_state


def checkpoint(run: RunState, step: int, complete: bool = True):
    folder = run.checkpoints / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "weights").write_text("w")
    if complete:
        (folder / COMPLETE).touch()
    return folder


def test_the_newest_whole_checkpoint_counts_and_halves_go(tmp_path):
    run = RunState(tmp_path / "run", "a")
    checkpoint(run, 9)
    whole = checkpoint(run, 10)
    half = checkpoint(run, 20, complete=False)
    assert run.latest_checkpoint() == whole
    assert not half.exists()


def test_a_state_of_the_same_digest_is_kept(tmp_path):
    checkpoint(RunState(tmp_path / "run", "a"), 10)
    assert RunState(tmp_path / "run", "a").latest_checkpoint().name == "checkpoint-10"


def test_a_state_of_another_digest_is_set_aside_but_not_the_lock(tmp_path):
    checkpoint(RunState(tmp_path / "run", "a"), 10)
    (tmp_path / "run" / "lock").write_text("1")
    assert RunState(tmp_path / "run", "b").latest_checkpoint() is None
    assert (tmp_path / "run.stale" / "checkpoints" / "checkpoint-10" / "weights").exists()
    assert (tmp_path / "run" / "lock").read_text() == "1"


def test_the_digest_sees_settings_and_file_contents(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text("1")
    first = job_digest({"lam": 0.5}, [path])
    assert job_digest({"lam": 0.5}, [path]) == first
    assert job_digest({"lam": 1.0}, [path]) != first
    path.write_text("2")
    assert job_digest({"lam": 0.5}, [path]) != first


class Mirrored:
    def __init__(self):
        self.calls = []

    def mirror(self, journal, up_to_step):
        self.calls.append((journal.path.name, up_to_step))


@pytest.fixture
def run_callback(tmp_path, model, tokenizer):
    found = iter([0.2, 0.5, 0.4])
    validate = lambda model, tokenizer, step: {"greedy": next(found)}  # noqa: E731
    run = RunState(tmp_path / "run", "a")
    return RunCallback(
        run, tokenizer, validate, steps=4, validate_every=2, save_every=2, updates_per_step=2, mirror=Mirrored()
    )


def test_a_step_is_a_rollout_however_many_updates_it_has(run_callback, model):
    control = SimpleNamespace(should_save=False)
    run_callback.on_train_begin(None, SimpleNamespace(global_step=0), control, model=model)
    saved = []
    for update in range(1, 9):
        state = SimpleNamespace(global_step=update)
        run_callback.on_log(None, state, control, logs={"reward": 0.1 * update, "note": "x"})
        run_callback.on_step_end(None, state, control, model=model)
        if control.should_save:
            saved.append(update)
            (run_callback.run.checkpoints / f"checkpoint-{update}").mkdir(parents=True)
            run_callback.on_save(None, state, control)
            control.should_save = False
    assert saved == [4, 8]
    assert [row["step"] for row in run_callback.run.validation.rows()] == [0, 2, 4]
    assert [row["step"] for row in run_callback.run.journal.rows()] == [1, 2, 3, 4]
    assert run_callback.run.latest_checkpoint().name == "checkpoint-8"
    assert not (run_callback.run.checkpoints / "checkpoint-4").exists()
    assert run_callback.mirror.calls[-1] == ("monitor.jsonl", 4)
    assert (run_callback.run.best / "model.safetensors").exists()


def test_a_resumed_run_has_taken_what_its_steps_have_taken(run_callback, tmp_path, tokenizer, monkeypatch):
    now = iter([100.0, 103.0, 104.0, 200.0, 205.0, 207.0])
    monkeypatch.setattr(callback, "time", SimpleNamespace(monotonic=lambda: next(now)))

    def started():
        return RunCallback(RunState(tmp_path / "run", "a"), tokenizer, None, steps=4, validate_every=2, save_every=2)

    first = started()
    for step in (1, 2):
        first.on_log(None, SimpleNamespace(global_step=step), None, logs={"loss": 0.1})
    again = started()  # in another process, with another clock
    again.run.journal.truncate(1)
    again.on_log(None, SimpleNamespace(global_step=2), None, logs={"loss": 0.1})
    assert [row["metrics"]["wall_time"] for row in again.run.journal.rows()] == [3.0, 5.0]
    assert again.seconds() == 3 + 5 + 2


def test_a_resumed_run_forgets_the_steps_after_its_checkpoint(run_callback, model):
    for step in range(1, 6):
        run_callback.run.journal.append(step, {"reward": 0.1})
        run_callback.run.validation.append(step, {"validation/greedy": 0.1})
    run_callback.on_train_begin(None, SimpleNamespace(global_step=6), None, model=model)
    assert [row["step"] for row in run_callback.run.journal.rows()] == [1, 2, 3]
    assert [row["step"] for row in run_callback.run.validation.rows()] == [1, 2, 3]


def test_a_critic_is_not_part_of_the_saved_policy(model):
    from gavel.training.rl.ppo import Critic

    names = set(model.state_dict())
    model.critic = Critic(model)
    assert set(policy_state(model)) == names


def test_curves_keep_steps_and_missing_values(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append(0, {"validation/greedy": 0.1})
    journal.append(5, {"validation/greedy": 0.2, "validation/judge": None})
    write_curve(journal, tmp_path / "monitor.csv", "validation/")
    assert (tmp_path / "monitor.csv").read_text().splitlines() == ["step,greedy,judge", "0,0.1,", "5,0.2,"]


def test_a_saved_best_model_loads(run_callback, model, tokenizer):
    run_callback.run.save_best(model, tokenizer, 3)
    run_callback.run.validation.append(3, {"validation/greedy": 0.1})
    again = loading.load_model(str(run_callback.run.best))
    assert again.num_parameters() == model.num_parameters()


def test_a_collapse_is_said_once_and_noted_at_every_validation(tmp_path, model, tokenizer, capsys):
    found = iter([(0.6, 0.6), (0.4, 0.7), (0.3, 0.8), (0.2, 0.9)])

    def validate(model, tokenizer, step):
        accuracy, judge = next(found)
        return {"greedy": accuracy, "accuracy": accuracy, "judge": judge}

    run = RunState(tmp_path / "run", "a")
    rules = ValidationSettings(**Validation(on_collapse="flag").model_dump())
    handler = CollapseHandler(run, LambdaSchedule(0.5), rules)
    run_callback = RunCallback(run, tokenizer, validate, steps=3, validate_every=1, save_every=9, decide=handler)
    state, control = SimpleNamespace(global_step=0), SimpleNamespace(should_save=False)
    run_callback.on_train_begin(None, state, control, model=model)
    for state.global_step in (1, 2, 3):
        run_callback.on_step_end(None, state, control, model=model)
    assert [row["metrics"]["validation/collapsed"] for row in run.validation.rows()] == [0.0, 0.0, 1.0, 1.0]
    assert capsys.readouterr().err.count("true accuracy has fallen") == 1
