"""The workflow's graph of rules, asked from Snakemake, as a figure."""

import re
import subprocess
import sys
from pathlib import Path

from gavel.report.figure import Figure
from gavel.report.plots.rulegraph import as_table, rulegraph

NODE = re.compile(r'^\s*(\d+)\[label = "([^"]+)"', re.MULTILINE)
EDGE = re.compile(r"^\s*(\d+) -> (\d+)", re.MULTILINE)


def ask_snakemake(snakefile: str | Path, config: str | Path, target: str | Path) -> str | None:
    """Snakemake's graph of the rules that lead to a target, in the dot language; None where it gives none.

    Args:
        snakefile, config: of the study; the working directory is the workflow's.
    """
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), "--nolock", "--quiet", "all"]
    command += ["--rulegraph", "dot", "--configfile", str(config), "--", str(target)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 and "digraph" in done.stdout else None


def edges(dot: str) -> list[tuple[str, str]]:
    """(rule, rule that takes its files), without those that follow from others.

    Rules that take turns, as a self-taught judge's judgments and its training do, are one: their names with a comma.
    """
    names = dict(NODE.findall(dot))
    found = {(names[a], names[b]) for a, b in EDGE.findall(dot)}
    after = _followers(found)
    turns = {
        rule: ", ".join(sorted({rule} | {other for other in after[rule] if rule in after[other]})) for rule in after
    }
    found = {(turns[a], turns[b]) for a, b in found if turns[a] != turns[b]}
    after = _followers(found)
    return sorted((a, b) for a, b in found if not any(b in after[other] for o, other in found if o == a and other != b))


def _followers(pairs: set[tuple[str, str]]) -> dict[str, set[str]]:
    """Rule -> all rules that come after it, itself too where it takes its own files."""
    after: dict[str, set[str]] = {rule: set() for pair in pairs for rule in pair}
    for rule, known in after.items():
        waiting = [b for a, b in pairs if a == rule]
        while waiting:
            follower = waiting.pop()
            if follower not in known:
                known.add(follower)
                waiting += [b for a, b in pairs if a == follower]
    return after


def rule_figure(dot: str | None) -> Figure:
    """The graph drawn from left to right."""
    shown = Figure("workflow", full=True, missing="The graph of rules could not be asked from Snakemake.")
    if dot and (pairs := edges(dot)):
        shown.panels.append(("Rules", rulegraph(pairs)))
        shown.data = as_table(pairs)
        shown.caption = (
            f"The {len({rule for pair in pairs for rule in pair})} rules that lead to this report, as Snakemake orders "
            "them; lines that follow from others are left out. A rule may stand for a job of every run; rules in one "
            "box take turns."
        )
    return shown
