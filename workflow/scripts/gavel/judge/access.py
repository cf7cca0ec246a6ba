"""How a study reaches its judge: what may change without changing a score, and so reruns nothing."""

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
