"""The `gavel` command: judges, scores and compares files, reckons costs. It trains nothing and starts no workflow.

Each subcommand is one file in `gavel.commands` with a function that registers a parser and one that runs it; `COMMANDS`
lists the former.
"""

import argparse
import sys
from collections.abc import Sequence

from gavel.commands.cost import add_cost
from gavel.commands.judge import add_judge
from gavel.commands.report import add_report
from gavel.commands.resources import add_resources
from gavel.commands.score import add_score
from gavel.commands.track import add_track
from gavel.errors import InputError

COMMANDS = (add_score, add_judge, add_report, add_cost, add_resources, add_track)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status (0, or 2 with one line on stderr for bad input)."""
    parser = argparse.ArgumentParser(prog="gavel", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for register in COMMANDS:
        register(commands)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except InputError as error:
        print(f"gavel: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
