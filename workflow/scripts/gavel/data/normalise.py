"""Normalise questions for comparison."""

import re
import unicodedata

_TOKEN = re.compile(r"\d+(?:[./]\d+)*%?|[^\W\d_]+")


def normalise(question: str) -> str:
    """The lower-case words and numbers of a question, joined by single spaces.

    Punctuation, currency signs and spacing are dropped. Numbers are kept (`1,200` as `1200`, `3.5`, `1/2`, `20%`), so
    two instances of one template remain different questions.
    """
    text = unicodedata.normalize("NFKC", question).lower()
    return " ".join(_TOKEN.findall(re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)))
