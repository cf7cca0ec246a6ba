"""Rows that cannot be read and are left out because the user asked for that: counted, and the first of them told."""

import sys

from gavel.errors import InputError


class Skipped:
    """The rows that were left out: their number, and what was wrong with the first of them."""

    SHOWN = 10

    def __init__(self) -> None:
        self.count = 0
        self.first: list[str] = []

    def add(self, problem: InputError) -> None:
        self.count += 1
        if len(self.first) < self.SHOWN:
            self.first.append(str(problem))

    def tell(self, path: str) -> None:
        for problem in self.first:
            print(f"gavel: left out {problem}", file=sys.stderr)
        more = self.count - len(self.first)
        rows = "1 row" if self.count == 1 else f"{self.count} rows"
        print(f"gavel: {path}: {rows} left out{f', {more} of them not shown' if more else ''}", file=sys.stderr)
