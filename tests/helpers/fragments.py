"""The YAML that pages show, as parts of a study's config."""

import re
import textwrap
from collections.abc import Iterator

import yaml

from gavel.common.nested import merge
from gavel.study.schema import study as schema
from helpers.configs import default

KEYS = schema.siblings([])  # of the top level
FENCED = re.compile(r"^```ya?ml(?: title=.*)?\n(.*?)^```", re.M | re.S)
INDENTED = re.compile(r"(?:(?<=\n\n)|\A)(?: {4}.*\n|\n(?= {4}))+")


def check_fragments(text: str) -> int:
    """Load every YAML block of a page as part of a study. Returns their number; raises `InputError` for a bad one."""
    found = list(fragments(text))
    for fragment in found:
        sweep = fragment.pop("sweep", None)
        schema.load(merge(whole(fragment), fragment))
        for overlay in schema.check_sweep(sweep)["variants"].values() if sweep else ():
            schema.load(merge(whole(overlay), overlay))
    return len(found)


def fragments(text: str) -> Iterator[dict]:
    """The YAML blocks of a page that are part of a study's config."""
    blocks = [match[1] for match in FENCED.finditer(text)] + [match[0] for match in INDENTED.finditer(text)]
    for block in blocks:
        try:
            found = yaml.safe_load(textwrap.dedent(block))
        except yaml.YAMLError:
            continue
        if isinstance(found, dict) and set(found) & set(KEYS):
            yield found


def whole(fragment: dict) -> dict:
    """The default study with what a fragment takes for granted: GPUs, no critic, a judge that compares; without
    sources that it replaces or whose answers are of another type."""
    raw = default() | {"study": "mine", "results_dir": "results/mine", "compute": {"gpus": 8}}
    raw["rl"] |= {"algorithms": ["grpo"]}
    if "best_of" in fragment.get("evaluation", {}):
        raw["judge"] |= {"kind": "pairwise"}
    if "answer_type" in fragment.get("data", {}):
        raw["data"] = {}
    elif "train" in fragment.get("data", {}):
        del raw["data"]["train"]
    return raw
