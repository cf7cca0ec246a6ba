"""What subcommands share: the type of the object that they register with, and types of options."""

import argparse
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def fraction(text: str) -> float:
    """A number from 0 to 1, as the type of an option. Raises `argparse.ArgumentTypeError` for anything else."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value
