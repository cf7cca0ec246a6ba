"""Parts of docs/reference that are made from the code: subcommands, rules of the workflow, terms of the report."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import yaml

from gavel.cli.main import command_parser
from gavel.report.glossary import GLOSSARY
from gavel.study.rules import RULES, Rule
from gavel.study.schema import study
from gavel.study.status import STAGES

ROOT = Path(__file__).parents[1]
GPUS = 4  # of the study whose rules' shares of them are shown


def commands_text() -> str:
    """A section for each subcommand: what it does, its arguments and its examples."""
    (commands,) = (action for action in command_parser()._actions if isinstance(action, argparse._SubParsersAction))
    purposes = {action.dest: action.help or "" for action in commands._choices_actions}
    return "\n".join(
        line for name, parser in commands.choices.items() for line in _command(name, purposes[name], parser)
    )


def _command(name: str, purpose: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield from (f"## gavel {name}", "", f"{purpose[0].upper()}{purpose[1:]}. {parser.description}", "")
    yield from ("| argument | meaning |", "|---|---|")
    for action in parser._actions:
        if action.help == argparse.SUPPRESS or isinstance(action, argparse._HelpAction):
            continue
        shown = ", ".join(f"`{_spelled(action, option)}`" for option in action.option_strings or [""])
        needed = " (required)" if action.option_strings and action.required else ""
        yield f"| {shown}{needed} | {(action.help or '') % (vars(action) | {'prog': parser.prog})} |"
    examples = [line for line in (parser.epilog or "").splitlines() if line.startswith("  ")]
    yield from ("", *(f"  {line}" for line in examples), "")


def _spelled(action: argparse.Action, option: str) -> str:
    """An option with its value, or a positional argument: `--k N`, `TARGET ...`."""
    choices = " or ".join(map(str, action.choices or []))
    value = "" if action.nargs == 0 else action.metavar or choices or action.dest.upper()
    return f"{option} {value}{' ...' if action.nargs in ('*', '+') else ''}".strip()


def rules_text() -> str:
    """A table of the rules, by stage; the GPUs are those that a job requests in a study with `GPUS` of them."""
    meanings = yaml.safe_load((ROOT / "tools" / "rule_meanings.yaml").read_text())
    raw = yaml.safe_load((ROOT / "config" / "minimal.yaml").read_text())
    example = study.load(raw | {"compute": {"gpus": GPUS, "processes": GPUS}})
    lines = ["| stage | rule | what a job does | log | requests |", "|---|---|---|---|---|"]
    for stage, names in STAGES.items():
        for name in names:
            rule = RULES[name]
            lines.append(f"| {stage} | `{name}` | {meanings[name]} | `{rule.log}` | {_requests(rule, example)} |")
    return "\n".join(lines)


def _requests(rule: Rule, example: dict) -> str:
    if rule.light:
        return "defaults"
    gpus = rule.gpus(example)
    return f"`compute`, {'no GPU' if not gpus else 'one GPU' if gpus == 1 else 'all GPUs'}"


def glossary_text() -> str:
    """A table of the report's terms."""
    rows = [f"| {term.name} | {term.meaning} |" for term in GLOSSARY.values()]
    return "\n".join(["| term | meaning |", "|---|---|", *rows])
