"""A cache of judge answers in one SQLite file: judges that share the file ask no prompt twice.

A key is the digest of the back end's identity and the complete judging prompt, so an old answer is never used for
another model, label word or prompt. The answers of one call are stored together or not at all.
"""

import hashlib
import sqlite3
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from gavel.common.log import info
from gavel.judge.backends.base import LabelProbabilities

Text = TypeVar("Text", bound=Hashable)  # a judging prompt

WAIT_S = 60.0  # for another job's write
CHUNK = 500  # keys per query


class Cache:
    """Answers by judging prompt. If the file cannot be used, one log line names it, and the cache stays empty.

    Args:
        path: the file; it is created if missing.
        identity: of the back end and its label words.
    """

    def __init__(self, path: str | Path, identity: str):
        self.identity = identity
        self.store: sqlite3.Connection | None = None
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self.store = sqlite3.connect(path, timeout=WAIT_S)
            with self.store:
                self.store.execute(
                    "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, yes REAL, no REAL, truncated INTEGER)"
                )
        except (sqlite3.Error, OSError) as error:
            self._give_up(f"{path}: {error}")

    def get(self, texts: Sequence[Text]) -> dict[Text, LabelProbabilities]:
        """The known answers."""
        keys = {self._key(text): text for text in texts}
        answers = {}
        for chunk in _chunks(list(keys)):
            marks = ",".join("?" * len(chunk))
            for key, first, second, cut in self._run(
                f"SELECT key, yes, no, truncated FROM answers WHERE key IN ({marks})", chunk
            ):
                answers[keys[key]] = LabelProbabilities(first, second, bool(cut))
        return answers

    def put(self, answers: Mapping[Text, LabelProbabilities]) -> None:
        rows = [(self._key(text), a.first, a.second, int(a.truncated)) for text, a in answers.items()]
        if self.store is None or not rows:
            return
        try:
            with self.store:
                self.store.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", rows)
        except sqlite3.Error as error:
            self._give_up(str(error))

    def _run(self, query: str, values: Sequence[bytes]) -> list[tuple[Any, ...]]:
        if self.store is None:
            return []
        try:
            return self.store.execute(query, values).fetchall()
        except sqlite3.Error as error:
            self._give_up(str(error))
            return []

    def _give_up(self, reason: str) -> None:
        self.store = None
        info(f"judge cache not used: {reason}", console=True)

    def _key(self, text: Hashable) -> bytes:
        return hashlib.sha256(f"{self.identity}\0{text}".encode()).digest()


def _chunks(keys: Sequence[bytes]) -> Iterable[Sequence[bytes]]:
    return (keys[i : i + CHUNK] for i in range(0, len(keys), CHUNK))
