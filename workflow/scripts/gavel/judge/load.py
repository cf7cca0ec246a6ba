"""Make a judge from its settings."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from gavel.common.errors import InputError
from gavel.judge.kinds import KINDS
from gavel.judge.simulated import simulate
from gavel.judge.verdict import Judge

# Kind -> the module whose `make_judge(**settings)` returns the judge; imported on use, because some need heavy
# packages.
MODULES = {
    "single-token": "gavel.judge.single_token",
    "pairwise": "gavel.judge.pairwise",
    "simulated": "gavel.judge.simulated",
    "panel": "gavel.judge.panel",
}


def load_named(key: str, settings: Mapping[str, Any]) -> Judge:
    """One of several judges of a job, as `load`; error messages begin with the config's `key`."""
    try:
        return load(**settings)
    except InputError as error:
        raise InputError(f"{key}: {error}") from None


def load(*, kind: str = "single-token", **settings: Any) -> Judge:
    """Make a judge from its kind and settings.

    A judge with a model and `simulated` settings gives the mean of its own score and a simulated one.

    Raises:
        InputError: the kind does not exist, or its settings, model or label words are invalid.
    """
    if kind not in KINDS:
        raise InputError(f"judge.kind: {kind!r} does not exist; choose one of {', '.join(KINDS)}")
    if settings.get("cache") in ("off", "run"):  # training jobs replace 'run' by a file in their state folder
        settings["cache"] = None
    defaults = KINDS[kind].defaults(reasons=bool(settings.get("reasoning")))
    settings |= {key: value for key, value in defaults.items() if settings.get(key) is None}
    make = import_module(MODULES[kind]).make_judge
    if kind == "simulated" or "simulated" not in settings:
        judge: Judge = make(**settings)
        return judge
    simulated, answers = settings.pop("simulated"), settings.pop("answers", ())
    return simulate(answers=answers, **simulated, other=make(**settings))
