"""Settings of jobs: dataclasses with the schema's keys, each once, without defaults."""

import json
from dataclasses import MISSING, FrozenInstanceError, asdict, fields, is_dataclass
from typing import get_args, get_type_hints

import pytest

from gavel.common.dataclass_config import from_section
from gavel.models.vllm_generation import VllmSettings as EvaluationVllmSettings
from gavel.study import params
from gavel.study.schema import judge_training, models, training
from gavel.study.schema.study import EvaluationVllm
from gavel.training.judge.self_taught_settings import SelfTaughtSettings
from gavel.training.judge.settings import JudgeDPOSettings, JudgeRLSettings, JudgeSFTSettings
from gavel.training.rl.reward_terms import RewardTermSettings
from gavel.training.rl.settings import (
    GroupFilterSettings,
    JobVllmSettings,
    LambdaScheduleSettings,
    PPOSettings,
    RLSettings,
    ValidationSettings,
    VllmSettings,
)
from gavel.training.scratch.judge import JudgeRecipe
from gavel.training.scratch.student import StudentRecipe
from gavel.training.settings import LoraSettings
from gavel.training.sft import SFTSettings

# Dataclass, section of the schema, and the section's keys that the stage does not get.
PAIRS = [
    (SFTSettings, training.Sft, {"seed"}),
    (LoraSettings, training.Lora, set()),
    (RLSettings, training.Rl, {"algorithms", "lambda", "seeds", "runs", "keep_rollouts", "signal"}),
    (PPOSettings, training.Ppo, set()),
    (ValidationSettings, training.Validation, set()),
    (LambdaScheduleSettings, training.LambdaSchedule, set()),
    (GroupFilterSettings, training.GroupFilter, set()),
    (RewardTermSettings, training.RewardTerm, set()),
    (VllmSettings, training.Vllm, set()),
    (SelfTaughtSettings, judge_training.SelfTaught, {"sft", "dpo"}),
    (JudgeSFTSettings, judge_training.JudgeSft, set()),
    (JudgeDPOSettings, judge_training.JudgeDpo, set()),
    (JudgeRLSettings, judge_training.JudgeRl, set()),
    (StudentRecipe, models.StudentScratch, set()),
    (JudgeRecipe, models.JudgeScratch, set()),
    (EvaluationVllmSettings, EvaluationVllm, set()),
]
FIRST = {JudgeSFTSettings: "steps", JudgeDPOSettings: "steps"}  # `layout.judge_stages` puts it there
NESTED = {"lora": {"target_modules": ["q_proj"]}, "reward_terms": [{"file": "a.py:b", "weight": 0.5}]}
RL = params.rl({"rl": training.Rl.model_validate(NESTED).model_dump(by_alias=True)})


def keys(section) -> list[str]:
    return [field.alias or name for name, field in section.model_fields.items()]


@pytest.mark.parametrize(("kind", "section", "left_out"), PAIRS, ids=lambda value: getattr(value, "__name__", ""))
def test_the_fields_are_the_schema_s_keys_in_its_order(kind, section, left_out):
    """The order is that of `run.json`."""
    wanted = [key for key in keys(section) if key not in left_out]
    if first := FIRST.get(kind):
        wanted.remove(first)
        wanted.insert(0, first)
    assert [field.name for field in fields(kind)] == wanted
    assert left_out <= set(keys(section))


@pytest.mark.parametrize("kind", [kind for kind, *_ in PAIRS], ids=lambda kind: kind.__name__)
def test_no_default_is_written_twice(kind):
    assert all(field.default is MISSING and field.default_factory is MISSING for field in fields(kind))
    assert kind.__dataclass_params__.frozen and hasattr(kind, "__slots__")


def parts(kind) -> set[type]:
    """The dataclasses in the fields of this one."""

    def leaves(hint):
        return [leaf for part in get_args(hint) for leaf in leaves(part)] if get_args(hint) else [hint]

    hints = [part for hint in get_type_hints(kind).values() for part in leaves(hint)]
    return {part for part in hints if isinstance(part, type) and is_dataclass(part)}


def test_every_nested_section_is_compared_too():
    compared = {kind for kind, *_ in PAIRS}
    assert set().union(*(parts(kind) for kind in compared)) <= compared | {JobVllmSettings}


def test_what_is_written_is_the_section():
    """Key by key and in order, nested sections too: `run.json` and a job's file repeat it."""
    settings = from_section(RLSettings, RL, "rl")
    assert settings.lora.target_modules == ("q_proj",)
    assert settings.reward_terms == (RewardTermSettings("a.py:b", 0.5),)
    assert json.dumps(asdict(settings)) == json.dumps(RL)
    assert from_section(RLSettings, json.loads(json.dumps(asdict(settings))), "rl") == settings
    with pytest.raises(FrozenInstanceError):
        settings.steps = 3


def test_a_key_too_many_or_too_few_is_named():
    with pytest.raises(TypeError, match=r"rl: RLSettings has no key 'step'"):
        from_section(RLSettings, RL | {"step": 1}, "rl")
    ppo = {key: value for key, value in RL["ppo"].items() if key != "gamma"}
    with pytest.raises(TypeError, match=r"rl\.ppo: key 'gamma' of PPOSettings is missing"):
        from_section(RLSettings, RL | {"ppo": ppo}, "rl")


@pytest.mark.parametrize("kind", [VllmSettings, JobVllmSettings])
def test_a_job_s_own_server_crosses_to_another_process_with_its_port(kind):
    section = training.Vllm(mode="server", serve="job", gpus=[1]).model_dump()
    vllm = from_section(kind, section | ({"group_port": 7} if kind is JobVllmSettings else {}), "rl.vllm")
    settings = RLSettings.from_section(RL, vllm)
    again = from_section(RLSettings, json.loads(json.dumps(asdict(settings))), "rl")
    assert again == settings
    assert type(again.vllm) is kind


def test_a_judge_s_settings_are_told_apart_by_their_keys():
    kinds = {JudgeSFTSettings: judge_training.JudgeSft, JudgeDPOSettings: judge_training.JudgeDpo}
    from gavel.jobs.launch import restore_dataclasses
    from gavel.training.judge.train import train

    for kind, section in (kinds | {JudgeRLSettings: judge_training.JudgeRl}).items():
        assert type(restore_dataclasses(train, {"settings": section().model_dump()})["settings"]) is kind
