"""RL runs whose rollouts vLLM samples, as functions: its engine needs a process of its own."""

import os
import signal
from typing import Any

from trl.generation.vllm_generation import VLLMGeneration

from gavel.jobs.launch import restore_dataclasses
from gavel.training.rl.train import train


class _Killer:
    """Kills this process once a step is saved; stands where a study has MLflow."""

    def __init__(self, step: int):
        self.step = step

    def mirror(self, journal, up_to_step):
        if up_to_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def train_until(step: int, **job: Any) -> None:
    """Train, and be killed once the step is saved. Arguments as `helpers.small_run.small_job` gives them."""
    train(**restore_dataclasses(train, job), mirror=_Killer(step))


def train_without_sending_weights(**job: Any) -> None:
    """Train while vLLM goes on sampling from the first policy."""
    VLLMGeneration.sync_weights = lambda self: None
    train(**restore_dataclasses(train, job))
