"""How a training job reaches vLLM for its rollouts: settings that do not affect what is sampled or cause a rerun."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gavel.common.dataclass_config import from_section
from gavel.jobs.serving import free_port, serving
from gavel.training.rl.settings import JobVllmSettings, VllmSettings

TIMEOUT_S = 180.0  # TRL polls a dead server for a minute, and may wait forever during a weight transfer


@contextmanager
def rollout_access(study: dict[str, Any], start: str, log: str | Path) -> Iterator[VllmSettings | None]:
    """Yield the settings `rl.vllm`, with the address of the job's own server; None if transformers samples.

    With `rl.vllm.serve: job` its server runs as long as the block. A dead server is not restarted, because the
    trainer's weight transfer dies with it: the job fails, and resumes from its checkpoint when it is rerun.

    Args:
        study: the resolved config.
        start: folder of the model that is served first; training then replaces its weights.
        log: the job's log; the server's output goes to a separate file beside it.

    Raises:
        InputError: the server could not be started, or was down when the block failed.
    """
    vllm = study["rl"]["vllm"]
    if not vllm or vllm["serve"] == "external":
        yield from_section(VllmSettings, vllm, "rl.vllm") if vllm else None
        return
    with serving(
        "rollout server",
        vllm["command"],
        key="rl.vllm",
        model=start,
        log=Path(log).with_suffix(".rollout-server.log"),
        gpus=vllm["gpus"],
        startup_timeout_s=vllm["startup_timeout_s"],
        ends_job_after=TIMEOUT_S,
    ) as served:
        # Several jobs may share a node, so each also needs its own port for the weight transfer.
        served_at = {"base_url": served.url, "group_port": free_port()}
        yield from_section(JobVllmSettings, vllm | served_at, "rl.vllm")
