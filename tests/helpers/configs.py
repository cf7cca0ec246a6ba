"""Configs to change: the default study's, as its file has it."""

import yaml

from gavel.common.paths import ROOT


def default() -> dict:
    return yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
