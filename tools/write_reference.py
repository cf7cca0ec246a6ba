"""Generate from their sources: the config's JSON schema, envs/gavel.yaml, docs/reference/cost.md, and parts of other
pages in docs/reference: keys, columns, subcommands, rules, terms.

Examples of the config's sections are in tools/config_examples.yaml.
"""

import inspect
import re
from pathlib import Path
from typing import NamedTuple

import yaml

from gavel.cli.cost import page
from gavel.common.files import write_text
from gavel.results import JudgeResults, StudyResults
from gavel.study.cost.estimate import Assumptions
from gavel.study.reference import reference
from gavel.study.schema import study
from reference_tables import commands_text, glossary_text, rules_text

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- reference: begin -->\n", "<!-- reference: end -->\n"


def schema_text() -> str:
    return yaml.safe_dump(study.schema(), sort_keys=False, allow_unicode=True, width=110)


def config_text(page: str) -> str:
    """docs/reference/config.md with its keys regenerated."""
    examples = yaml.safe_load((ROOT / "tools" / "config_examples.yaml").read_text())
    return _with_reference(page, reference(examples))


def _with_reference(page: str, text: str) -> str:
    head, rest = page.split(BEGIN)
    return head + BEGIN + "\n" + text + "\n" + END + rest.split(END)[1]


class Column(NamedTuple):
    """A column of a frame: its pandas dtype and what it means."""

    name: str
    dtype: str
    meaning: str


FRAMES = {
    "results": (StudyResults, ("runs", "metrics", "comparisons", "seeds", "samples", "rollouts")),
    "results.judge": (JudgeResults, ("calibration", "reliability", "verdicts")),
}


def frame_columns(docstring: str) -> list[Column]:
    """The columns that a docstring of `gavel.results` lists: `name, name (dtype), name (dtype): meaning` lines."""
    found = []
    for line in inspect.cleandoc(docstring).split("\nColumns:\n")[1].splitlines():
        names, meaning = line.strip().split(": ", maxsplit=1)
        for several, dtype in re.findall(r"([\w, ]+) \((\w+)\)", names):
            found += [Column(name, dtype, meaning) for name in several.strip(", ").split(", ")]
    return found


def frames_text() -> str:
    """A section for each frame of `gavel.results`, with a table of its columns."""
    parts = []
    for place, (owner, names) in FRAMES.items():
        for name in names:
            text = getattr(owner, name).__doc__
            about = inspect.cleandoc(text).split("\nColumns:\n")[0].split("\nArgs:\n")[0].strip()
            call = {"samples": "(run=None, set=None)", "rollouts": "(run)", "verdicts": "(run=None)"}.get(name, "")
            rows = [f"| `{column.name}` | {column.dtype} | {column.meaning} |" for column in frame_columns(text)]
            table = "\n".join(["| column | dtype | meaning |", "|---|---|---|", *rows])
            parts.append(f"### `{place}.{name}{call}`\n\n{about}\n\n{table}\n")
    return "\n".join(parts)


def results_text(page: str) -> str:
    """docs/reference/python.md with its columns regenerated."""
    return _with_reference(page, frames_text())


def environment_text() -> str:
    """envs/gavel.yaml: the packages of requirements.lock, for `--sdm conda`.

    Snakemake copies the file before conda reads it, so it cannot refer to another file.
    """
    pins = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    packages = {"dependencies": ["python=3.11", "pip", {"pip": pins}]}
    head = "# Written by `make docs` from requirements.lock.\n"
    return head + yaml.safe_dump({"channels": ["conda-forge"], **packages}, sort_keys=False)


def cost_text() -> str:
    """docs/reference/cost.md: the output of `gavel cost` for the two studies that need GPUs."""
    return page([f"config/gsm8k-{size}.yaml" for size in ("125m", "6.7b")], Assumptions())


# Page in docs/reference -> the page with its generated part rewritten.
PAGES = {
    "command-line.md": lambda page: _with_reference(page, commands_text()),
    "config.md": config_text,
    "glossary.md": lambda page: _with_reference(page, glossary_text()),
    "make-and-rules.md": lambda page: _with_reference(page, rules_text()),
    "python.md": results_text,
}


if __name__ == "__main__":
    write_text(ROOT / "workflow" / "schemas" / "config.schema.yaml", schema_text())
    write_text(ROOT / "envs" / "gavel.yaml", environment_text())
    write_text(ROOT / "docs" / "reference" / "cost.md", cost_text())
    for name, regenerated in PAGES.items():
        path = ROOT / "docs" / "reference" / name
        write_text(path, regenerated(path.read_text()))
