"""Make a judge from its settings."""

from importlib import import_module
from typing import Any

from gavel.common.errors import InputError
from gavel.judge.kinds import KINDS
from gavel.judge.verdict import Judge

# Kind -> the module whose `make(**settings)` returns such a judge; imported when used, since some need heavy packages.
MODULES = {"single-token": "gavel.judge.single_token", "pairwise": "gavel.judge.pairwise"}


def load(*, kind: str = "single-token", **settings: Any) -> Judge:
    """Make a judge from its kind and settings.

    Raises:
        InputError: there is no such kind, or its settings, model or labels do not work.
    """
    if kind not in KINDS:
        raise InputError(f"judge.kind: {kind!r} does not exist; choose one of {', '.join(KINDS)}")
    if settings.get("cache") in ("off", "run"):  # 'run' is for training jobs, which name a file in their state folder
        settings["cache"] = None
    own = KINDS[kind].defaults(reasons=bool(settings.get("reasoning")))
    settings |= {key: value for key, value in own.items() if settings.get(key) is None}
    judge: Judge = import_module(MODULES[kind]).make(**settings)
    return judge
