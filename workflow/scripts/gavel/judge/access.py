"""How a study reaches its judge, apart from what its scores depend on.

A server's address may change without a rerun, and so may who starts it and how: the model behind it is taken to be the
same. Who serves another one names another `judge.model`; a server in place of a local model, or none any more, does
cause one.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gavel.common.paths import JUDGE_CACHE
from gavel.common.redaction import remember
from gavel.jobs.serving import serving

ASKED = "base_url api_key_env top_logprobs concurrency timeout_s retries".split()  # what those who ask it need to know


@contextmanager
def judge_access(study: dict[str, Any], log: str | Path) -> Iterator[dict[str, Any]]:
    """Keyword arguments of `gavel.judge.load.load` beside those of `gavel.study.params.judge`.

    With `judge.server.serve: job` the judge's server runs while the block does, one for all processes of the job.

    Args:
        study: the resolved config.
        log: of the job; what the server prints goes into a file of its own beside it.

    Raises:
        InputError: the server could not be started, or was gone for good when the block failed.
    """
    judge, server = study["judge"], study["judge"]["server"]
    found = {"batch_tokens": judge["batch_tokens"], "server": server and {key: server[key] for key in ASKED}}
    if server:
        remember(os.environ.get(server["api_key_env"]))  # this process, too, reads what others print
    if judge["cache"] == "study":
        found["cache"] = f"{study['results_dir']}/state/{JUDGE_CACHE}"
    if not server or server["serve"] == "external":
        yield found
        return
    with serving(
        "judge server",
        server["command"],
        key="judge.server",
        model=judge["model"],
        log=Path(log).with_suffix(".judge-server.log"),
        gpus=server["gpus"],
        startup_timeout_s=server["startup_timeout_s"],
        restarts=server["restarts"],
    ) as served:
        yield found | {"server": found["server"] | {"base_url": f"{served.url}/v1", "status": served.status}}
