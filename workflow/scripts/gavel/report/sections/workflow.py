"""The graph of the workflow's rules as a figure. `make docs` draws it."""

from importlib.resources import files

import pandas as pd

from gavel.report.figure import Figure


def rule_figure() -> Figure:
    """The rules of the default study, each to the right of everything that it needs."""
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
            f"The {len(rules)} rules that lead to the report of the default study, as Snakemake orders them; lines "
            "that follow from others are left out. A rule may stand for a job of every run. Other studies may also "
            "fetch models, make models from scratch, benchmark judges or train the judge."
        ),
    )
