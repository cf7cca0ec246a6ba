"""How a study reaches its judge, apart from what its scores depend on.

A server's address may change without a rerun: the model behind it is taken to be the same. Who serves another one names
another `judge.model`; a server in place of a local model, or none any more, does cause one.
"""

from gavel.judge import cache


def judge_access(study: dict) -> dict:
    """Keyword arguments of `gavel.judge.load` beside those of `gavel.study.judge`.

    Args:
        study: the resolved config.
    """
    found = {"batch_tokens": study["judge"]["batch_tokens"], "server": study["judge"]["server"]}
    if study["judge"]["cache"] == "study":
        found["cache"] = f"{study['results_dir']}/state/{cache.FILE}"
    return found
