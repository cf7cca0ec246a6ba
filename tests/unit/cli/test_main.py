"""The command itself: its help, its version, and names that have changed."""

import re

import pytest

from gavel import __version__
from gavel.cli import commands, main
from gavel.cli.cost import OPTIONS
from gavel.common.paths import ROOT

STUDY = str(ROOT / "config" / "minimal.yaml")


def subcommands() -> list[str]:
    return [register.__name__.removeprefix("add_") for register in main.COMMANDS]


def shown(capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main.main([*arguments])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_alone_it_shows_its_help(capsys):
    assert main.main([]) == 2
    alone = capsys.readouterr()
    assert alone.out == shown(capsys, "--help") and alone.err == ""


def test_the_version_is_the_package_s_and_the_citation_s(capsys):
    assert shown(capsys, "--version") == f"gavel {__version__}\n"
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_the_help_lists_the_commands_and_no_old_name(capsys):
    text = shown(capsys, "--help")
    assert "`gavel run STUDY.yaml` trains" in " ".join(text.split())
    listed = re.findall(r"^    (\w+)\s", text, re.MULTILINE)
    assert listed == subcommands()
    assert not set(listed) & set(commands.RENAMED) and set(commands.RENAMED.values()) <= set(listed)


@pytest.mark.parametrize("command", subcommands())
def test_each_command_has_examples_and_describes_its_arguments(command, capsys):
    text = shown(capsys, command, "--help")
    examples = text.split("examples:\n")[1].splitlines()
    assert 1 <= len(examples) <= 3 and all(line.startswith(f"  gavel {command}") for line in examples)
    if "positional arguments:" in text:
        section = text.split("positional arguments:\n")[1].split("\n\n")[0]
        named = re.findall(r"^  \S+(?: \.\.\.)?((?:  .*)?(?:\n {20,}.*)*)$", section, re.MULTILINE)
        assert named and all(text.strip() for text in named)


@pytest.mark.parametrize(("old", "new"), commands.RENAMED.items())
def test_an_old_name_works_and_says_the_new_one(old, new, capsys, tmp_path):
    assert main.main([old, str(tmp_path / "none")]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"gavel: `gavel {old}` is now `gavel {new}`; the old name still works"
    assert "none" in second


@pytest.mark.parametrize("option", OPTIONS.values(), ids=lambda option: option.former)
def test_an_old_option_of_cost_works_and_says_the_new_one(option, capsys):
    assert main.main(["cost", STUDY, f"{option.former}=1"]) == 0
    printed = capsys.readouterr()
    assert f"{option.name}=1`" in printed.out
    assert printed.err == f"gavel cost: {option.former} is now {option.name}; the old name still works\n"
    help_text = shown(capsys, "cost", "--help")
    assert not re.search(rf"{option.former}\s", help_text) and option.name in help_text


def test_a_gpu_s_peak_comes_from_its_data_sheet(capsys):
    assert main.main(["cost", STUDY, "--gpu", "h100"]) == 0
    assert "a GPU's peak is 989 · 10¹² operations per second" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main.main(["cost", STUDY, "--gpu", "h100", "--peak-flops", "1e12"])
    assert "not allowed with argument" in capsys.readouterr().err


def test_ui_still_takes_the_results_folder_as_an_option(capsys, tmp_path):
    assert main.main(["ui", "--results", str(tmp_path)]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == "gavel ui: --results is now RESULTS without --results; the old name still works"
    assert second.startswith(f"gavel: {tmp_path}/mlflow.db: no such file yet")
    assert main.main(["ui", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"{second}\n"
