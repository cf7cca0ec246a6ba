"""The reasoning of an annotated solution, for its program: each calculation's text as comments, and a name for it."""

import builtins
import keyword
import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_WORDS = 5  # in a name
NEAR = 200  # characters on either side of a calculation that a name is taken from; bounds the work
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(])")
_FENCE = re.compile(r"[`~]{3,}")  # would end a program in the verifier's eyes
_WORD = re.compile(r"[^\W\d_]+(?:['’][a-z]+)?")
# The value after an annotation, and the words that follow it directly: `24 clips in May`.
_VALUE_AND_WORDS = re.compile(r"[\s$€£]*-?[\d,]*\.?\d*%?(?P<words>(?:[\s/-]+[A-Za-z]+(?:['’][a-z]+)?)*)")
# The calculation as text before its annotation: ` 48/2 = `, ` 15 because 3 x 5 = $`.
_CALCULATION = re.compile(r"(?:[\d\s.,;:$€£%+*/×÷·()=-]|\b(?:[xX]|because|since|as|so|and)\b)*\Z")
_IS = re.compile(r"(?P<subject>.*)\b(?:is|are|was|were|equals|cost|costs|will be|would be)\s*:?\s*\Z", re.DOTALL)
_CLAUSE = re.compile(r"[.,;:!?()]|\b(?:so|and|because|since|then|that|if|when|therefore|thus)\b", re.IGNORECASE)
# Words at which a phrase after a value ends, and words that a name neither begins nor ends with.
_ENDS = set("and or but so because since as if when where while which that who is are was were than plus minus".split())
_LOOSE = set(
    "a an the of to in on at by for from with per each every more and or only just about also now then so this that "
    "these those there it its he she they them we you i his her their our your has have had is are was were be been "
    "will would can could does did do means all altogether which".split()
)


class Step(NamedTuple):
    """A calculation's comment lines, without `#`, and its name; None if its text suggests none."""

    comments: tuple[str, ...] = ()
    name: str | None = None


def steps(solution: str, annotation: re.Pattern[str]) -> list[Step]:
    """The calculations of a solution, in order.

    Text before a calculation's sentence belongs to it, one comment for each line of the solution. Of several
    calculations in one sentence, the first has the comment. The line `#### N` and text after the last calculation are
    left out.

    Args:
        solution: text with annotations.
        annotation: matches an annotation.
    """
    found: list[Step] = []
    names: set[str] = set()
    pending: list[str] = []
    for line in solution.splitlines():
        if line.startswith("####"):
            continue
        text = ""
        for sentence in _sentences(line, annotation):
            text = f"{text} {sentence}".strip()
            matches = list(annotation.finditer(sentence))
            for place, match in enumerate(matches):
                before = sentence[matches[place - 1].end() if place else 0 : match.start()]
                after = sentence[match.end() : matches[place + 1].start() if place + 1 < len(matches) else None]
                comments = (*pending, _comment(text, annotation)) if not place else ()
                name = _unused(_name(before, after), names)
                found.append(Step(tuple(filter(None, comments)), name))
            if matches:
                pending, text = [], ""
        pending += [_comment(text, annotation)] if text else []
    return found


def _sentences(line: str, annotation: re.Pattern[str]) -> Iterator[str]:
    """The sentences of a line; an annotation is never split."""
    start = 0
    inside = [match.span() for match in annotation.finditer(line)]
    for gap in _SENTENCE.finditer(line):
        if not any(first < gap.start() < last for first, last in inside):
            yield line[start : gap.start()]
            start = gap.end()
    yield line[start:]


def _comment(text: str, annotation: re.Pattern[str]) -> str:
    """The text as one line that no program, prompt or Markdown reader takes for anything but a comment."""
    plain = _FENCE.sub("", " ".join(annotation.sub("", text).split()))
    return "".join(character for character in plain if character.isprintable()).strip()


def _name(before: str, after: str) -> str | None:
    """A name from the text before a calculation (`The total cost is`) or after its value (`24 clips in May`)."""
    leading = _CALCULATION.sub("", before[-NEAR:])
    subject = _IS.match(leading)
    following = _VALUE_AND_WORDS.match(after[:NEAR])
    counted = _following(following["words"] if following else "")
    unit = ["dollars"] if before.rstrip().endswith("$") else []
    phrases = (
        _words(_CLAUSE.split(subject["subject"])[-1])[-MAX_WORDS:] if subject else [],
        [*(unit if counted and counted[0] in _LOOSE else ()), *counted],
        _words(_CLAUSE.split(leading)[-1])[-MAX_WORDS:],
        unit,
    )
    name = "_".join(next(filter(None, map(_trimmed, phrases)), []))
    return None if len(name) < 2 or keyword.iskeyword(name) or hasattr(builtins, name) or name == "result" else name


def _words(text: str) -> list[str]:
    """The words of a text that a name may have, in lower case."""
    words = [re.sub("['’]s?", "", word).lower() for word in _WORD.findall(text)]
    return [word for word in words if word.isascii() and (len(word) > 1 or word == "a")]  # no unknowns (`S`)


def _following(text: str) -> list[str]:
    words = _words(text)
    end = next((place for place, word in enumerate(words) if word in _ENDS), len(words))
    return words[: min(end, MAX_WORDS)]


def _trimmed(words: list[str]) -> list[str]:
    """The words without loose ones at either end."""
    kept = [place for place, word in enumerate(words) if word not in _LOOSE]
    return words[kept[0] : kept[-1] + 1] if kept else []


def _unused(name: str | None, names: set[str]) -> str | None:
    """The name, with a number if another calculation has it; it is added to `names`."""
    if name is None:
        return None
    number, unused = 1, name
    while unused in names:
        number += 1
        unused = f"{name}_{number}"
    names.add(unused)
    return unused
