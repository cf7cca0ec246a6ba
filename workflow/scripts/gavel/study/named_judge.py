"""The judge that a command, `replay.judges` or `judge.watch` names: a model, or the judge of a study."""

from pathlib import Path
from typing import Any, NamedTuple

from gavel.common.errors import InputError
from gavel.common.paths import ROOT
from gavel.judge.access import client_access
from gavel.judge.kinds import KINDS, is_comparative
from gavel.study import layout, params, resolve


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
        """Its model folder; none if it runs on a server or has no model."""
        model = self.settings["model"]
        return [model] if model and Path(model).is_dir() else []

    @property
    def prompts(self) -> list[str]:
        """Its judging prompts: names or files."""
        return params.judge_prompts(self.study) if self.study else [KINDS["single-token"].prompt]


def named_judge(name: str, root: str | Path, key: str, *, here: bool = False) -> NamedJudge:
    """Find a judge.

    Args:
        name: model folder, hub name, or a study's YAML file.
        root: the project's folder; shipped models are named relative to it.
        key: the option or config key that names it, for messages.
        here: its model must be in a local folder already, unless it has none or runs on a server.

    Raises:
        InputError: there is no such file, it is not a study's config, or its judge is not trained yet.
    """
    if Path(name).suffix not in (".yaml", ".yml"):
        return NamedJudge({"model": resolve.find(name, root, key).removeprefix("./")}, None)
    study = resolve.read(name, root)
    if layout.judge_stages(study) and not Path(layout.model(study, "judge")).exists():
        raise InputError(
            f"{key}: {name} trains its judge, but {layout.model(study, 'judge')} does not exist yet; run the study "
            "first (`snakemake judge` makes it), or name the model that training starts from: "
            f"{layout.start_model(study, 'judge')}"
        )
    settings = params.judge(study)
    if study["judge"]["model"] is not None:
        settings["model"] = layout.model_or_hub_name(study, "judge")
        if here and layout.judge_is_local(study) and not Path(settings["model"]).is_dir():
            raise InputError(
                f"{key}: the judge of {name} is {settings['model']}, which is no local folder yet; run that study's "
                "judge first (`snakemake judge` makes or downloads it)"
            )
    return NamedJudge(settings, study)


def pointwise_judge(name: str, root: str | Path, key: str) -> NamedJudge:
    """A judge of single responses that another study's jobs load, or reach on a server that someone else starts.

    Args:
        name, root, key: as in `named_judge`.

    Raises:
        InputError: as `named_judge`, or the judge compares responses, or its server is started by each job.
    """
    found = named_judge(name, root, key, here=True)
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


def watching_judges(study: dict[str, Any], root: str | Path) -> dict[str, NamedJudge]:
    """The judges of `judge.watch`. Raises `InputError` as `pointwise_judge`."""
    return {
        name: pointwise_judge(judge, root, f"config: judge.watch.{name}")
        for name, judge in study["judge"]["watch"].items()
    }


def watch_access(study: dict[str, Any], name: str, validation: str) -> dict[str, Any]:
    """How a training job reaches a watching judge: what its settings leave out.

    Args:
        name: the judge's, in `judge.watch`.
        validation: the file of validation questions. A simulated judge gets their gold answers and no others.
    """
    named = named_judge(study["judge"]["watch"][name], ROOT, f"config: judge.watch.{name}")
    return client_access(named.study, [validation]) if named.study else {}
