"""What docs/reference takes from the code, and the make targets that are listed by hand."""

import argparse
import re

import reference_tables
from gavel.cli.main import command_parser
from gavel.common.paths import ROOT
from gavel.study.rules import RULES

PAGE = (ROOT / "docs" / "reference" / "make-and-rules.md").read_text()


def test_every_subcommand_and_option_is_listed():
    text = reference_tables.commands_text()
    for parser in command_parser()._subparsers._group_actions[0].choices.values():
        section = text.split(f"## {parser.prog}\n")[1].split("\n## ")[0]
        for action in parser._actions:
            if action.help != argparse.SUPPRESS and action.dest != "help":
                assert f"`{(action.option_strings or [action.metavar])[-1]}" in section
        assert f"    {parser.prog} " in section or f"    {parser.prog}\n" in section
    assert "%(" not in text and "SUPPRESS" not in text


def test_an_old_name_is_not_listed():
    text = reference_tables.commands_text()
    assert "--mfu-prefill" in text and "--reading" not in text


def test_every_rule_has_a_row():
    rows = re.findall(r"^\| [\w ]+ \| `(\w+)` \| (.+?) \|", reference_tables.rules_text(), re.MULTILINE)
    assert {name for name, _ in rows} == {*RULES} and len(rows) == len(RULES)


def test_a_light_rule_requests_the_defaults_and_training_all_gpus():
    rows = {row.split("`")[1]: row for row in reference_tables.rules_text().splitlines()[2:]}
    assert rows["report_html"].endswith("| defaults |")
    assert rows["train_rl"].endswith("| `compute`, all GPUs |") and rows["generate"].endswith("one GPU |")


def test_every_make_target_is_listed():
    makefile = (ROOT / "Makefile").read_text()
    targets = {name for line in re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE) for name in line.split()}
    assert targets == set(re.findall(r"`make ([a-z-]+)`", PAGE.split("### System tests")[0]))


def test_every_folder_of_system_tests_is_listed():
    listed = set(re.findall(r"^\| `(\w+)` \|", PAGE.split("### System tests")[1].split("\n## ")[0], re.MULTILINE))
    folders = {path.name for path in (ROOT / "tests" / "system").iterdir() if any(path.glob("test_*.py"))}
    assert listed == folders - {"slurm"}
