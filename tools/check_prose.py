"""Check the product's prose: terms to avoid (prose_terms.yaml), and sentences that are too long.

    check_prose.py [FILE ...]

Prints a line for each finding, `file:line: what -> say instead`. Without files it checks all that have prose
(`prose.files`). codespell checks the spelling.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

import prose

TERMS = Path(__file__).with_name("prose_terms.yaml")
LIMIT = 40  # words in a sentence
# The end of a sentence with the quotes and brackets that it closes, or of an item in a list of keys with meanings.
_END = re.compile(rf"(?<=[.!?])(?<!\b(?:al|cf|vs)\.)(?<!\b(?:e\.g|i\.e)\.)[\"'”’)\]]*\s+|;\s+(?={prose.PLACEHOLDER})")


class Term(NamedTuple):
    """What text avoids, and what to say instead (prose_terms.yaml describes both)."""

    pattern: re.Pattern
    say: str


class Finding(NamedTuple):
    """A line of a file that should be mended."""

    line: int
    what: str
    say: str


def read_terms(text: str) -> list[Term]:
    return [Term(re.compile(each["pattern"], re.IGNORECASE), each["say"]) for each in yaml.safe_load(text)]


def sentences(text: str) -> Iterator[tuple[int, str]]:
    """A passage's sentences, each with the index of its first character."""
    start = 0
    for end in [*(found.end() for found in _END.finditer(text)), len(text)]:
        yield start, text[start:end]
        start = end


def words(sentence: str) -> int:
    return sum(any(map(str.isalnum, word)) for word in sentence.split())


def findings(passage: prose.Passage, terms: list[Term]) -> Iterator[Finding]:
    """Terms to avoid and long sentences in a passage."""

    def line(index: int) -> int:
        return passage.line + passage.text.count("\n", 0, index)

    flat = passage.text.replace("\n", " ")
    for term in terms:
        for found in term.pattern.finditer(flat):
            yield Finding(line(found.start()), f"'{found[0].strip()}'", term.say)
    for start, sentence in sentences(passage.text):
        if (length := words(sentence)) > LIMIT:
            begin = " ".join(sentence.split()[:6])
            yield Finding(line(start), f"'{begin} ...' has {length} words", f"split it; at most {LIMIT}")


def main(names: list[str]) -> int:
    """Returns the exit status: 1 if anything was found."""
    terms = read_terms(TERMS.read_text(encoding="utf-8"))
    count = 0
    for path in [Path(name).resolve() for name in names] or prose.files():
        found = {each for passage in prose.passages(path) for each in findings(passage, terms)}
        for line, what, say in sorted(found):
            print(f"{path.relative_to(prose.ROOT)}:{line}: {what} -> {say}")
        count += len(found)
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
