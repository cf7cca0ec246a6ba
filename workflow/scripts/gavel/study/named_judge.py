"""The judge that a command or the section `replay` names: a model, or the judge of a study."""

from pathlib import Path
from typing import Any, NamedTuple

from gavel.common.errors import InputError
from gavel.judge.kinds import KINDS
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
