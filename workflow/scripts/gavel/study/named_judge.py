"""The judges that a command or a config names: a model, or the judge of a study; and the members of a panel."""

from pathlib import Path
from typing import Any, NamedTuple

from gavel.common.errors import InputError
from gavel.common.paths import ROOT
from gavel.judge.access import client_access
from gavel.judge.kinds import KINDS, is_comparative
from gavel.study import checks, layout, params, resolve


class NamedJudge(NamedTuple):
    """A judge.

    Attributes:
        settings: keyword arguments of `gavel.judge.load.load`, without those of `gavel.judge.access.judge_access`.
        study: the resolved config whose judge it is; None for a model.
    """

    settings: dict[str, Any]
    study: dict[str, Any] | None

    @property
    def folders(self) -> list[str]:
        """Its model folders; none if it runs on a server or has no model."""
        return model_folders(self.settings)

    @property
    def prompts(self) -> list[str]:
        """Its judging prompts: names or files."""
        return prompts_of(self.settings)


def parts(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """The settings of a panel's members, or those of another judge itself."""
    return list(settings["panel"]["members"].values()) if "panel" in settings else [settings]


def model_folders(settings: dict[str, Any]) -> list[str]:
    """The model folders of a judge; none where it runs on a server or has no model."""
    models = [part["model"] for part in parts(settings)]
    return list(dict.fromkeys(model for model in models if model and Path(model).is_dir()))


def prompts_of(settings: dict[str, Any]) -> list[str]:
    """The judging prompts of a judge: names or files; none for a kind without them."""
    found: list[str] = []
    for part in parts(settings):
        defaults = KINDS[part.get("kind", "single-token")].defaults(bool(part.get("reasoning")))
        named = part.get("prompt") or defaults.get("prompt") or []
        found += [named] if isinstance(named, str) else named
    return list(dict.fromkeys(found))


def reads_answers(settings: dict[str, Any]) -> bool:
    """Whether a judge, or a member of a panel, is simulated from gold answers."""
    return any("simulated" in part for part in parts(settings))


def unused_modules(*judges: dict[str, Any]) -> set[str]:
    """The modules of kinds of judge that none of these judges, given by their settings, needs."""
    needed = {"gavel.judge.panel": any("panel" in settings for settings in judges)}
    needed |= {"gavel.judge.simulated": any(map(reads_answers, judges))}
    return {module for module, is_needed in needed.items() if not is_needed}


def judge_settings(study: dict[str, Any], root: str | Path = ROOT) -> dict[str, Any]:
    """`gavel.study.params.judge`, for a panel with its members.

    Raises:
        InputError: as `named_judge`, or a member of the panel is itself a panel, compares, or runs on a server.
    """
    settings, panel = params.judge(study), study["judge"]["panel"]
    if not panel:
        return settings
    members = {
        name: _for_study(_member(judge, root, f"config: judge.panel.judges.{name}").settings, study)
        for name, judge in panel["judges"].items()
    }
    return settings | {"panel": {"combine": panel["combine"], "penalty": panel["penalty"], "members": members}}


def _for_study(settings: dict[str, Any], study: dict[str, Any]) -> dict[str, Any]:
    """A judge of another study for this one's responses: a simulated one verifies them as this study does."""
    if "panel" in settings:
        members = {name: _for_study(own, study) for name, own in settings["panel"]["members"].items()}
        return settings | {"panel": settings["panel"] | {"members": members}}
    if "simulated" not in settings:
        return settings
    return settings | {"simulated": settings["simulated"] | params.simulated_task(study)}


def named_judge(name: str, root: str | Path, key: str, *, here: bool = False, panel: bool = True) -> NamedJudge:
    """Find a judge.

    Args:
        name: model folder, hub name, or a study's YAML file.
        root: the project's folder; shipped models are named relative to it.
        key: the option or config key that names it, for messages.
        here: its model must be in a local folder already, unless it has none or runs on a server.
        panel: it may be a panel.

    Raises:
        InputError: there is no such file, it is not a study's config, or its judge is not trained yet.
    """
    if Path(name).suffix not in (".yaml", ".yml"):
        return NamedJudge({"model": resolve.find(name, root, key).removeprefix("./")}, None)
    study = resolve.read(name, root)
    if study["judge"]["panel"] and not panel:
        raise InputError(f"{key}: the judge of {name} is a panel, which cannot be part of one; name its judges instead")
    if layout.judge_stages(study) and not Path(layout.model(study, "judge")).exists():
        raise InputError(
            f"{key}: {name} trains its judge, but {layout.model(study, 'judge')} does not exist yet; run the study "
            "first (`snakemake judge` makes it), or name the model that training starts from: "
            f"{layout.start_model(study, 'judge')}"
        )
    settings = judge_settings(study, root)
    if study["judge"]["model"] is not None:
        settings["model"] = layout.model_or_hub_name(study, "judge")
        if here and layout.judge_is_local(study) and not Path(settings["model"]).is_dir():
            raise InputError(
                f"{key}: the judge of {name} is {settings['model']}, which is no local folder yet; run that study's "
                "judge first (`snakemake judge` makes or downloads it)"
            )
    return NamedJudge(settings, study)


def pointwise_judge(name: str, root: str | Path, key: str, *, panel: bool = True) -> NamedJudge:
    """A judge of single responses that another study's jobs load, or reach on a server that someone else starts.

    Args:
        name, root, key, panel: as in `named_judge`.

    Raises:
        InputError: as `named_judge`, or the judge compares responses, or its server is started by each job.
    """
    found = named_judge(name, root, key, here=True, panel=panel)
    if is_comparative(found.settings):
        raise InputError(
            f"{key}: the judge of {name} is pairwise, and a single response has no opponent; name a pointwise judge"
        )
    server = found.study and found.study["judge"]["server"]
    if server and server["serve"] == "job":
        raise InputError(
            f"{key}: each job of {name} starts its judge's server, which this study's jobs do not; start one yourself, "
            "and write `serve: external` and its `base_url` there"
        )
    return found


def _member(name: str, root: str | Path, key: str) -> NamedJudge:
    """A member of a panel: as `pointwise_judge`, and the jobs load it themselves."""
    found = pointwise_judge(name, root, key, panel=False)
    if found.settings.get("server"):
        raise InputError(f"{key}: the judge of {name} runs on a server, which a panel cannot ask; name a model folder")
    return found


def replaying_judges(study: dict[str, Any], root: str | Path) -> dict[str, NamedJudge]:
    """The judges of `replay.judges`. Raises `InputError` as `named_judge`."""
    return {
        name: named_judge(judge, root, f"config: replay.judges.{name}", here=True)
        for name, judge in study["replay"]["judges"].items()
    }


def watching_judges(study: dict[str, Any], root: str | Path) -> dict[str, NamedJudge]:
    """The judges of `judge.watch`. Raises `InputError` as `pointwise_judge`."""
    found = {
        name: pointwise_judge(judge, root, f"config: judge.watch.{name}")
        for name, judge in study["judge"]["watch"].items()
    }
    return {name: judge._replace(settings=_for_study(judge.settings, study)) for name, judge in found.items()}


def watch_access(study: dict[str, Any], name: str, validation: str) -> dict[str, Any]:
    """How a training job reaches a watching judge: what its settings leave out.

    Args:
        name: the judge's, in `judge.watch`.
        validation: the file of validation questions. A simulated judge gets their gold answers and no others.
    """
    named = named_judge(study["judge"]["watch"][name], ROOT, f"config: judge.watch.{name}")
    return client_access(named.study, [validation]) if named.study else {}


def other_judges(study: dict[str, Any], root: str | Path) -> dict[str, dict[str, Any]]:
    """All judges that a config names by a folder or a YAML file: config key -> settings.

    Raises:
        InputError: as `replaying_judges`, `watching_judges` and `judge_settings`.
    """
    named = {f"replay.judges.{name}": judge.settings for name, judge in replaying_judges(study, root).items()}
    named |= {f"judge.watch.{name}": judge.settings for name, judge in watching_judges(study, root).items()}
    panel = judge_settings(study, root).get("panel", {"members": {}})
    return named | {f"judge.panel.judges.{name}": settings for name, settings in panel["members"].items()}


def check_other_judges(study: dict[str, Any], root: str | Path) -> None:
    """Check models, prompts and labels of all of them before the first job.

    Raises:
        InputError: as `other_judges` and `gavel.study.checks.check_named_judge`.
    """
    for key, settings in other_judges(study, root).items():
        checks.check_named_judge(settings, f"config: {key}")
