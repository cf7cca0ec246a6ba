"""How a study's jobs reach the judge: the settings that its scores do not depend on.

A server's address may change without a rerun, and so may how it is started and by whom: Gavel assumes that it serves
the same model. To serve another one, change `judge.model`. Switching between a server and a local model does cause a
rerun.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gavel.common.paths import JUDGE_CACHE
from gavel.common.redaction import register_secrets
from gavel.jobs.serving import serving

ACCESS_KEYS = "base_url api_key_env top_logprobs concurrency timeout_s retries".split()  # what a server's clients need


def client_access(study: dict[str, Any], answers: Sequence[str] | None = None) -> dict[str, Any]:
    """The keyword arguments of `gavel.judge.load.load` that `gavel.study.params.judge` leaves out.

    Args:
        study, answers: as in `judge_access`; with `judge.server.serve: job` the address is still missing.
    """
    judge, server = study["judge"], study["judge"]["server"]
    access = {"batch_tokens": judge["batch_tokens"], "server": server and {key: server[key] for key in ACCESS_KEYS}}
    if judge["simulated"] or (judge["panel"] and answers):
        access["answers"] = [str(path) for path in answers or ()]
    if server:
        register_secrets(os.environ.get(server["api_key_env"]))  # this process logs other programs' output too
    if judge["cache"] == "study":
        access["cache"] = f"{study['results_dir']}/state/{JUDGE_CACHE}"
    return access


@contextmanager
def judge_access(
    study: dict[str, Any], log: str | Path, answers: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield `client_access`, with the address of the judge's server.

    With `judge.server.serve: job` the judge's server runs as long as the block, one for all processes of the job.

    Args:
        study: the resolved config.
        log: the job's log; the server's output goes to a separate file beside it.
        answers: files with the gold answers of the questions that a simulated judge, or a panel with a simulated
            member, is asked about.

    Raises:
        InputError: the server could not be started, or was permanently down when the block failed.
    """
    access, server = client_access(study, answers), study["judge"]["server"]
    if not server or server["serve"] == "external":
        yield access
        return
    with serving(
        "judge server",
        server["command"],
        key="judge.server",
        model=study["judge"]["model"],
        log=Path(log).with_suffix(".judge-server.log"),
        gpus=server["gpus"],
        startup_timeout_s=server["startup_timeout_s"],
        restarts=server["restarts"],
    ) as served:
        yield access | {"server": access["server"] | {"base_url": f"{served.url}/v1", "status": served.status}}
