"""The graph of the workflow's rules, which `make docs` draws."""

from importlib.resources import files

import pandas as pd

from gavel.report.figure import Figure


def rule_figure() -> Figure:
    """The rules of the default study, each to the right of the rules that it depends on."""
    folder = files("gavel.report")
    with folder.joinpath("workflow.csv").open(encoding="utf-8") as handle:
        arrows = pd.read_csv(handle)
    rules = {*arrows["rule"], *arrows["needed_by"]}
    return Figure(
        "workflow",
        full=True,
        panels=[("Rules", folder.joinpath("workflow.svg").read_text(encoding="utf-8").strip())],
        data=arrows,
        caption=(
            f"The {len(rules)} rules behind the report of the default study, as Snakemake orders them. Lines that "
            "follow from others are left out. A rule may run one job for every run of the grid. Other studies may "
            "also download models, train models from scratch, benchmark judges or train the judge."
        ),
    )
