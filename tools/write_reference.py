"""Generate the config's JSON schema and reference, envs/gavel.yaml and docs/cost.md from their sources."""

from pathlib import Path

import yaml

from gavel.cli.cost import page
from gavel.common.files import write_text
from gavel.study.cost.estimate import Assumptions
from gavel.study.reference import reference
from gavel.study.schema import study

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- reference: begin -->\n", "<!-- reference: end -->\n"


def schema_text() -> str:
    return yaml.safe_dump(study.schema(), sort_keys=False, allow_unicode=True, width=110)


def readme_text(readme: str) -> str:
    """The README with its reference part regenerated."""
    head, rest = readme.split(BEGIN)
    return head + BEGIN + "\n" + reference() + "\n" + END + rest.split(END)[1]


def environment_text() -> str:
    """envs/gavel.yaml: the packages of requirements.lock, for `--sdm conda`.

    Snakemake copies the file before conda reads it, so it cannot refer to another file.
    """
    pins = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    packages = {"dependencies": ["python=3.11", "pip", {"pip": pins}]}
    head = "# Written by `make docs` from requirements.lock.\n"
    return head + yaml.safe_dump({"channels": ["conda-forge"], **packages}, sort_keys=False)


def cost_text() -> str:
    """docs/cost.md: the output of `gavel cost` for the two studies that need GPUs."""
    return page([f"config/gsm8k-{size}.yaml" for size in ("125m", "6.7b")], Assumptions())


if __name__ == "__main__":
    readme = ROOT / "config" / "README.md"
    write_text(ROOT / "workflow" / "schemas" / "config.schema.yaml", schema_text())
    write_text(readme, readme_text(readme.read_text()))
    write_text(ROOT / "envs" / "gavel.yaml", environment_text())
    write_text(ROOT / "docs" / "cost.md", cost_text())
