"""How a training job reaches vLLM for its rollouts, apart from what is sampled there; none of it causes a rerun."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gavel.jobs.serving import free_port, serving

PATIENCE_S = 180.0  # TRL asks a dead server for a minute, and may wait for ever where weights were under way


@contextmanager
def rollout_access(study: dict[str, Any], start: str, log: str | Path) -> Iterator[dict[str, Any] | None]:
    """The whole of `rl.vllm` as `gavel.training.rl.grpo_config` takes it; None where transformers samples.

    With `rl.vllm.serve: job` its server runs while the block does. It is not started again when it has died, since the
    trainer's way of sending weights dies with it: the job fails, and goes on from its checkpoint when run again.

    Args:
        study: the resolved config.
        start: folder of the model that is served first, whose weights training then replaces.
        log: of the job; what the server prints goes into a file of its own beside it.

    Raises:
        InputError: the server could not be started, or was gone when the block failed.
    """
    vllm = study["rl"]["vllm"]
    if not vllm or vllm["serve"] == "external":
        yield vllm
        return
    with serving(
        "rollout server",
        vllm["command"],
        key="rl.vllm",
        model=start,
        log=Path(log).with_suffix(".rollout-server.log"),
        gpus=vllm["gpus"],
        startup_timeout_s=vllm["startup_timeout_s"],
        ends_job_after=PATIENCE_S,
    ) as served:
        # Several jobs may share a node, so the port over which weights are sent is one of their own too.
        yield vllm | {"base_url": served.url, "group_port": free_port()}
