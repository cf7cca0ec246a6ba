r"""Answers that are the letters of a question's options, `A` to `Z`.

The question's text shows the options, one a line (`with_options`), so that policy, judge and people read the same. The
letter that a text answers is determined by these rules, in order:

1. Thoughts are ignored, and so is what follows a cue for another problem or an end-of-turn mark once an answer has been
   given (`gavel.solutions._response`). Markdown, LaTeX text commands, `$` and quotation marks around a letter are
   ignored too.
2. The last statement decides: `The answer is (B).`, `Answer: B`, `the correct option is b`, `\boxed{B}`, `#### B`,
   `<answer>B</answer>`, `B is correct`, `I choose option B`, `So, B.`, `No, it's B`, a line with nothing but `B`. In
   `the answer is 12 apples, option B`, the only option that the sentence names is the answer. A question and a denial
   (`the answer is not B`, `I don't think the answer is B`) state nothing; `not B but C` states C.
3. Without a statement, an option at the beginning (`B) 12 apples`, `(b) 12 apples`) is the answer if no other line
   begins with another option; otherwise the only option that the text names (`option B`, `(B)`, `B) 12`).
4. Several letters (`A or B`, `A and C`, `both`, `it could also be C`) and `none` are not an answer.

A word is not a letter: `a` and `I` count only where they cannot be an article or a pronoun (`the answer is a triangle`
has no answer, `the answer is A.` has), nor does any lower-case letter before other words or an operator (`x + 3`).

A letter beyond the options that were offered is an answer, and wrong, because no gold answer equals it.

The forms are those that OpenAI's simple-evals (`Answer: B`), lm-evaluation-harness (`(B)`, `the answer is (B)`) and
MMLU-Pro (`the answer is (B)`, `Answer: B`, the last letter) extract; unlike MMLU-Pro, a letter that is merely mentioned
is not taken.
"""

import re
import string
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gavel.solutions._response import CUE, DENIED_STATEMENT, without_thoughts
from gavel.solutions.answer_types import AnswerType

LETTERS = string.ascii_uppercase
DEFAULT_OPTIONS = 4  # of a question whose options are not known
SENTENCE = 200  # maximum length in characters of what a statement consists of


class _Stated(NamedTuple):
    """A statement: where it begins, and the letter that it states; None if it states that there is no single one."""

    start: int
    letter: str | None


class _Found(NamedTuple):
    """The letter at a place in a text, None if several are joined there, and where the first one ends."""

    letter: str | None
    end: int


def canonical(value: object) -> str | None:
    """The letter of a gold answer in upper case; None if the value is not a single letter.

    >>> canonical("b"), canonical("(B)"), canonical("B."), canonical("12"), canonical(1)
    ('B', 'B', 'B', None, None)
    """
    match = re.fullmatch(r"\s*[(\[]?\s*([A-Za-z])\s*[)\].:]?\s*", value) if isinstance(value, str) else None
    return match[1].upper() if match else None


def with_options(question: str, options: Sequence[str]) -> str:
    """The question and its options, one a line: `A) first`. Raises ValueError for more options than letters."""
    if len(options) > len(LETTERS):
        raise ValueError(f"{len(options)} options, but only {len(LETTERS)} letters")
    lines = (f"{letter}) {' '.join(option.split())}" for letter, option in zip(LETTERS, options, strict=False))
    return "\n".join([question.rstrip(), *lines])


def offered(question: str) -> str:
    """The letters of the options in a question's text, such as `ABCD`; A to D if it shows no options."""
    for pattern in (r"^[ \t]*\(?([A-Z])[).:][ \t]*\S", r"\(([A-Z])\)[ ]"):
        letters = ""
        for match in re.finditer(pattern, question, re.MULTILINE):
            if match[1] == "A":
                letters = "A"
            elif match[1] == LETTERS[len(letters)]:
                letters += match[1]
        if len(letters) > 1:
            return letters
    return LETTERS[:DEFAULT_OPTIONS]


def extract(text: str) -> str | None:
    """The letter that a text answers; None if it answers none or several. Never raises."""
    text = without_thoughts(unicodedata.normalize("NFKC", text))
    start = 0
    for cue in CUE.finditer(text):
        if (stated := _decided(_plain(text[start : cue.start()]))) is not None:
            return stated.letter
        start = cue.start()
    stated = _decided(_plain(text[start:]))
    return None if stated is None else stated.letter


def equal(answer: str | None, gold: str | None) -> bool:
    """Whether two answers are the same letter; a missing answer (None) equals nothing."""
    letter = canonical(answer)
    return letter is not None and letter == canonical(gold)


# Markup, removed before anything is read: LaTeX text commands and delimiters, Markdown, quotation marks.
_MARKUP = (
    (
        re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mathsf|operatorname)[ ]?\{([^{}\n]{0,100})\}"),
        r"\1",
    ),
    (re.compile(r"\\[()\[\]]|\\(?:left|right|displaystyle|quad|,|;|!)|[*`$\"“”„«»]|__"), ""),
    (re.compile(r"\\ |[^\S\n]+"), " "),
    (re.compile(r"’"), "'"),
    (re.compile(r"</answer>"), "\n"),
    (re.compile(r" ?\n[ \n]*"), "\n"),
)
_IN_BRACKETS = r"[(\[{][ ]?(?P<inside>[A-Za-z])[ ]?[)\]}]"
_LETTER = re.compile(
    rf"(?<!\w){_IN_BRACKETS}|(?<![\w'&.\\/-])(?P<bare>[A-Za-z])(?![\w'])(?!-\w|\.[A-Za-z]|/\w)", re.ASCII
)
# What may follow an upper-case letter other than A and I, and what may follow A, I and lower-case letters.
_OPERATOR = re.compile(r"[ ]?[+*/^<>]")
_ENDS = re.compile(
    r"[)\]}]?(?:[.,:;!?)}\]]|\n|$|[ ]?[–—]|[ ]-[ ]"
    r"|[ ](?:because|since|as|for|is|was|which|with|and|or|but|given|due)\b)"
)
_CAPITAL_ENDS = re.compile(r"[ ][0-9(\[]")
_NAMES = r"(?:(?:the[ ])?(?:option|choice|answer|letter|alternative)s?[ ]?:?[ ]?)"
_AND = re.compile(
    rf"[.)\]}}]{{0,2}}[ ]?(?:,|/|&|,?[ ]?(?:and|or|nor))[ ]?(?:also[ ]|else[ ])?{_NAMES}?(?:\\boxed[ ]?\{{)?",
    re.IGNORECASE,
)
# `B, D is too large`: the second letter begins another clause.
_CLAUSE = re.compile(r"[)\]}]?[ ](?:is|was|would|does|can|cannot|could|has|must|says|states)\b", re.IGNORECASE)
_LEAD = re.compile(
    r"[ :=>\n-]*(?:(?:therefore|thus|clearly|definitely|likely|most likely|probably|simply|indeed|still|actually|then"
    r"|obviously|now|that|it's|it is)[ ,:]+){0,3}"
    r"(?:(?:(?:the|an?)[ ])?(?:(?:correct|right|best|final|first|second|third|fourth|last)[ ])?"
    r"(?:option|choice|answer|letter|alternative|statement)[ ]?(?:is[ ]|letter[ ])?[:#]?[ ]?){0,2}",
    re.IGNORECASE,
)
_NOT_BUT = re.compile(rf"not\b[^.!?\n]{{1,60}}\b(?:but|rather)[ ](?:rather[ ])?{_NAMES}?", re.IGNORECASE)
_REFUSAL = re.compile(
    r"(?:none|neither|unknown|unclear|undetermined|cannot|can't|n/?a\b|impossible|both|either"
    r"|not (?:given|listed|clear))",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n|$")
# Up to the tenth letter: later ones in brackets are rather variables, `(x)`.
_NAMED = re.compile(
    r"(?<!\w)[(\[](?P<inside>[A-J])[)\]]|\b(?:option|choice)[ ](?P<bare>[A-Z])(?![\w'])"
    r"|(?<![\w'(\[])(?P<closed>(?-i:[A-J]))\)(?=\s)",
    re.IGNORECASE,
)
_OR_ELSE = re.compile(rf"\b(?:could|might|may|can)[ ](?:also|equally(?: well)?|well)[ ]be[ ]{_NAMES}?", re.I)
_WRONG = re.compile(r"\b(?:is|are|was|were|not|isn't|wrong|incorrect|false)\b|n't\b", re.IGNORECASE)

# Statements after which the letter stands, by the rule that reads it.
_ANSWER = re.compile(
    r"\b(?:answers?|(?:correct|right|best|final|my|our|chosen)[ ](?:option|choice|letter|alternative|solution))"
    r"(?:[ ]\([^()\n]{1,40}\))?(?:[ ](?:to|for)[ ][\w' ]{1,60}?)?(?:[ ](?:choice|option|letter))?"
    r"(?:[ ]?[:=]|\?(?=\s)"
    r"|[ ](?:is|are|was|(?:would|should|must|will|has to|might|could|may)[ ]be|equals)(?![\w'])[ ]?:?)"
    r"|\bans(?:[ ]?[.:=]|[ ]is\b)|\banswer(?=[ ]\(?(?-i:[A-Z])\)?(?:[.,;:!]|\n|$|[ ]because))"
    r"|^[#> ]*(?:(?:the|my|final|correct)[ ]){0,3}answer(?=\n)|<answer>|^A[ ]?:(?=[ ]?\(?[A-Z]\)?\.?$)",
    re.IGNORECASE | re.MULTILINE,
)
_DIRECT = re.compile(
    rf"(?:\b(?:choose|chose|pick|picked|select|selected|go(?:ing)?[ ]with|opt(?:ing)?[ ]for|settle[ ]on)[ ]{_NAMES}?)"
    rf"|\#{{4}}[ ]?{_NAMES}?"
    r"|\b(?:no|wait|actually|sorry|oops|correction)[ ]?[,.:;—–-]+[ ]?(?:(?:no|wait|actually|sorry)[ ]?[,.:;—–-]+[ ]?)?"
    r"(?:(?:it(?:'s|[ ]is|[ ]should[ ]be|[ ]must[ ]be)|that(?:'s|[ ]is)|should[ ]be|i[ ]mean|make[ ]that)[ ])?"
    rf"{_NAMES}?"
    rf"|\b(?:i[ ]mean|make[ ]that)[ ,]+{_NAMES}?",
    re.IGNORECASE,
)
_CONCLUDED = re.compile(
    rf"(?:\b(?:so|therefore|thus|hence)\b|=>|⇒|→)[ ,:]*(?:(?:it(?:'s|[ ]is|[ ]must[ ]be)|that(?:'s|[ ]is)|we[ ]get"
    rf"|we[ ]have)[ ])?{_NAMES}?",
    re.IGNORECASE,
)
_BOX = re.compile(r"\\(?:boxed|fbox)[ ]?\{[ ]?")
_BOX_BEFORE = re.compile(
    rf"\\(?:boxed|fbox)[ ]?\{{[ ]?(?:{_LETTER.pattern})[^{{}}]{{0,40}}\}}[ .]*(?:,|;|and|or|,[ ]?and)[ ]?$", re.ASCII
)
_IS_RIGHT = re.compile(
    r"[ ](?:is|must[ ]be|should[ ]be|seems|appears[ ]to[ ]be)[ ]"
    r"(?:(?:indeed|thus|therefore|clearly|definitely|probably|also)[ ]){0,2}"
    r"(?:(?:the|our|my)[ ])?(?:(?:only|single)[ ])?"
    r"(?:(?:correct|right|best|final)\b"
    r"|(?:most[ ]\w{1,15}|appropriate|accurate|suitable)[ ](?:answer|option|choice|one)\b|answer\b)"
    r"(?![ ](?:if|only|when|that|to)\b)",
    re.IGNORECASE,
)
_ALONE = re.compile(rf"^[#> -]*{_NAMES}?(?:{_IN_BRACKETS}|(?P<bare>[A-Z]))[.):\]]?$", re.MULTILINE)
# `E. coli is` and `I. Think` begin no option: a full stop before a small letter counts only in a text of one line.
_OPTION_LINE = re.compile(
    r"^[>\-• ]*(?:[(\[](?P<inside>[A-Za-z])[)\]]|(?P<bare>[A-Z])(?:[):]|(?<!I)[.](?!\s[a-z][^\n]*\n))|(?P<low>[a-z])\))"
    r"(?=\s)",
    re.MULTILINE,
)
_WHOLE = re.compile(r"[(\[]?([A-Za-z])[)\].]?")


def _plain(text: str) -> str:
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    return DENIED_STATEMENT.sub(" ", text).strip()


def _decided(text: str) -> _Stated | None:
    """The last statement, or else the option that begins the text or is the only one named; None if there is none."""
    statements = [*_answers(text), *_directs(text), *_boxes(text), *_rights(text), *_alone(text)]
    if statements:
        last = max(statements, key=lambda stated: stated.start)
        also = _OR_ELSE.search(text, last.start, last.start + SENTENCE)
        other = _letter(text, also.end()) if also else None
        return last if other is None or other.letter == last.letter else _Stated(last.start, None)
    if alone := _WHOLE.fullmatch(text):
        return _Stated(0, alone[1].upper())
    begun = {_upper(match): match.start() for match in _OPTION_LINE.finditer(text)}
    if len(begun) == 1 and 0 in begun.values() and not _WRONG.search(text.partition("\n")[0]):
        return _Stated(0, *begun)
    named = {_upper(match): match.start() for match in _NAMED.finditer(text)} | begun
    return _Stated(min(named.values()), *named) if len(named) == 1 else None


def _answers(text: str) -> Iterator[_Stated]:
    """`The answer is (B)`, `Answer: B`, `the answer is 12 apples, option B`."""
    for marker in _ANSWER.finditer(text):
        end = _sentence(text, marker.end())
        if end < len(text) and text[end] == "?":
            continue
        at = _LEAD.match(text, marker.end(), marker.end() + SENTENCE)
        place = at.end() if at else marker.end()
        if exception := _NOT_BUT.match(text, place, end):
            place = exception.end()
        if found := _letter(text, place):
            yield _Stated(marker.start(), found.letter)
            continue
        named = {_upper(match) for match in _NAMED.finditer(text, place, end)}
        if text.startswith("not ", place) and not _REFUSAL.match(text, place):
            continue
        if len(named) == 1:
            yield _Stated(marker.start(), *named)
        elif named or _REFUSAL.match(text, place):
            yield _Stated(marker.start(), None)


def _directs(text: str) -> Iterator[_Stated]:
    """Statements that the letter follows directly. One after `so` or a correction ends its sentence."""
    for pattern, ends in (
        (_DIRECT, r"[)\]}]?(?:[.,!;:)]|\n|$|[ ])"),
        (_CONCLUDED, r"[)\]}]?[.!]?(?:\n|$)|[)\]}]?[.!]\s"),
    ):
        for marker in pattern.finditer(text):
            found = _letter(text, marker.end())
            if found and re.match(ends, text[found.end : found.end + 4]):
                yield _Stated(marker.start(), found.letter)


def _boxes(text: str) -> Iterator[_Stated]:
    for marker in _BOX.finditer(text):
        if found := _letter(text, marker.end()):
            before = _BOX_BEFORE.search(text[max(0, marker.start() - SENTENCE) : marker.start()])
            alone = before is None or _upper(before) == found.letter
            yield _Stated(marker.start(), found.letter if alone else None)


def _rights(text: str) -> Iterator[_Stated]:
    """`B is correct`, `(B) 12 apples is the right answer`: the last letter before, without another verb between."""
    for marker in _IS_RIGHT.finditer(text):
        before = text[max(0, marker.start() - SENTENCE) : marker.start()].rpartition("\n")[2]
        letters = [
            match
            for match in _LETTER.finditer(before)
            if _valid(match, before + text[marker.start() : marker.start() + 20])
        ]
        if letters and not _WRONG.search(before, letters[-1].end()):
            yield _Stated(marker.start() - len(before) + letters[-1].start(), _upper(letters[-1]))


def _alone(text: str) -> Iterator[_Stated]:
    """A line with nothing but a letter; two such lines in a row with different letters are a list."""
    previous = None
    for line in _ALONE.finditer(text):
        in_list = previous and previous.end() + 1 == line.start() and _upper(previous) != _upper(line)
        yield _Stated(line.start(), None if in_list else _upper(line))
        previous = line


def _letter(text: str, start: int) -> _Found | None:
    """The letter at `start`; None if there is none."""
    match = _LETTER.match(text, start)
    if match is None or not _valid(match, text):
        return None
    if also := _AND.match(text, match.end(), match.end() + SENTENCE):
        other = _LETTER.match(text, also.end())
        if other and _valid(other, text) and _upper(other) != _upper(match) and not _CLAUSE.match(text, other.end()):
            return _Found(None, match.end())
    return _Found(_upper(match), match.end())


def _valid(match: re.Match[str], text: str) -> bool:
    """Whether a letter is not an article, a pronoun or a variable."""
    if match["inside"]:
        return True
    letter, end = match["bare"], match.end()
    if letter.isupper() and letter not in "AI":
        return not _OPERATOR.match(text, end)
    return bool(_ENDS.match(text, end) or (letter.isupper() and _CAPITAL_ENDS.match(text, end)))


def _upper(match: re.Match[str]) -> str:
    groups = match.groupdict()
    return next(groups[name] for name in ("inside", "bare", "low", "closed") if groups.get(name)).upper()


def _sentence(text: str, start: int) -> int:
    """Where the sentence that `start` is in ends, at most `SENTENCE` characters on."""
    end = _SENTENCE_END.search(text, start, start + SENTENCE)
    return end.start() if end else min(len(text), start + SENTENCE)


def _wrong(answer: str, question: str) -> list[str]:
    return [letter for letter in offered(question) if letter != answer]


def _several(answer: str, question: str) -> list[str]:
    return sorted({answer, *offered(question)})


def _state(answer: str) -> str:
    return f"The answer is ({answer})."


def _restate(text: str, answer: str, wrong: str) -> str:
    """Replaces the letter where it is stated last; a text that states it in another way gets another last line."""
    letter = re.compile(rf"(?<![\w']){answer}(?![\w'])")
    lines = text.rstrip().split("\n")
    for place in reversed(range(len(lines))):
        changed = letter.sub(wrong, lines[place])
        if changed != lines[place]:
            made = "\n".join([*lines[:place], changed, *lines[place + 1 :]])
            if extract(made) == wrong:
                return made
    return f"{text.rstrip()}\n{_state(wrong)}"


def _blank(text: str) -> str:
    return re.sub(rf"(?<!\w){_IN_BRACKETS}|(?<![\w'])[A-Z](?![\w'])", "A", text)


TYPE = AnswerType(
    description="the letter of one of the question's options, which the question's text shows (`choices` of a row of "
    "the reader `rows`).",
    noun="choice",
    expected="the letter of an option, such as B",
    formats=("text",),
    canonical=canonical,
    extract=extract,
    equal=equal,
    wrong=_wrong,
    several=_several,
    state=_state,
    restate=_restate,
    end_with=_restate,
    blank=_blank,
)
