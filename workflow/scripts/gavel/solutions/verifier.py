r"""The verifier: extracts a solution's final answer and decides whether it is correct.

Rewards, judge calibration, votes and evaluation all call this module, so there is one definition of 'correct'. It
grades only the final answer, not the reasoning. `gavel.solutions.answer_types` has the types of answer that questions
can have. The rules below are those for numbers; a text's answer of another type is read by the rules of that type.

A program's answer is its return value (`gavel.solutions.sandbox.pool` runs it). `_program` finds the program in a
response: it removes Markdown fences and ignores what precedes `</think>` or follows a cue for another problem, as in a
text. The answer of a text is determined by these rules, in order:

1. Text before `</think>` is not part of the solution if something follows it; neither is a thought that has not ended.
   The text ends where it turns to another problem, at a line with the prompt's cue (`Question:`, `Q:`, `Q)`, a heading
   `### Question`). After a marker's answer, any cue ends it. After any other number that stands as an answer, only a
   cue whose question has numbers of its own does. End-of-turn marks (`<|endoftext|>`, `</s>`) end it after either.
2. The last marker that holds an answer decides (`_MARKERS`, `_RULES`):
  - `#### 18`: the number, or the line below it. A Markdown heading is not a marker. It is a line without a number,
    with the number of a part (`#### Step 1`, `#### Week 4`), or with a colon or question mark at its end. If numbers
    follow below, a line with words before the number that do not state it is a heading too (`#### Cost of 3 shirts`);
  - `\boxed{18}`: a number or a formula (`gavel.solutions._latex`). Different boxes in a list or in one sentence
    (`Ann: \boxed{2}, Ben: \boxed{3}`) are not an answer, unless words or signs lead from one to the other (`so`, `=`);
  - `A: 18`, `Answer: 18` at the start of a line or sentence, a heading 'Final Answer', `<answer> 18 </answer>`: the
    number it begins with. If it begins with words (`A: Let's see. ...`), rule 4 reads what follows;
  - `the answer is 18`, `the answer (arabic numerals) is 18`, `the final answer: 18`, `18 is the answer`: the number in
    that sentence, before any reason (`because`, `since`, `(`). A sentence does not count if it has no number, if it is
    a negation or a question, or if it reports a belief (`I thought the answer is 8`). `might be 8`, and `would be 8`
    after an `if`, count only if no number follows in another sentence.
  A correction right after the answer ("Wait, that's wrong. ...", "No, it's 19", "Actually, let me recheck: 19")
  replaces it; "it could also be 19" leaves no answer.
3. In a marker, a computation stands for its result (`676 - 224, which is 452`, `1600*3.5 = $5600`). Without a result it
   is not an answer (`5 - 3`). The same holds for computations in words (`5 more than 10, i.e. 15` is 15, `twice 15` is
   not an answer), but without a number to compare with, `5 more than Tom` is 5. A product with units counts if it is
   right: `3 groups of 4, which is 12` is 12, and `3 eggs of 12, which is 25%` is 3. `5! = 120` has a factorial; `5!` at
   the end of a sentence has an exclamation mark. A formula between `$` signs, or in LaTeX, is evaluated. A list, an
   alternative (`2 or 3`), a range, a bound (`at least 5`), a time, two units (`5 hours 30 minutes`), both signs
   (`± 5`), a variable (`5x`) and words (`unknown`, `none of these`) are not answers. A number in words is an answer
   only if nothing but a unit follows it.
4. Without a marker, the last number (or formula) of the text is the answer. The numbers of steps, negated numbers
   (`not 10`), numbers in headings that name a part, and digits inside words do not count. There is no answer if the
   text breaks off in a computation, ends with the question, or refuses (`I cannot answer this`,
   `not enough information`) without reaching a result after that.

Annotations `<<48/2=24>>`, currency signs, units after the number, full stops and thousands separators (`1,200`,
`1 200`, `1,00,000`) are stripped. Signs (`- 5`, `(-5)`, `–5`, `negative 5`), fractions, mixed numbers (`1 1/2`) and
powers of ten (`1e3`, `1.5 x 10^3`) are read; `|-5|` is 5. `25%` is 25. The words hundred to trillion multiply (`2
million`), and so do k, M and bn after a currency sign (`$5k`); without one they may be units, and there is no answer.
`dozen` and `lakh` are units. `1'200` and `12,50` are not numbers.

'Cannot be answered' is only the exact word `None`, alone in a marker (`#### None`, `A: None`, `\boxed{None}`,
`the answer is None`): a lower-case `none` may well mean zero. A missing answer is Python's None and equals nothing.

The work is linear in the text's length: a marker reads at most `ANSWER_LENGTH` characters, and a formula is evaluated
within the bounds of `gavel.solutions._latex`.
"""

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from textwrap import dedent
from typing import Literal, NamedTuple

from gavel.solutions import answer_types
from gavel.solutions._response import CUE, DENIED_STATEMENT, without_thoughts
from gavel.solutions._statements import (
    ANSWER_LENGTH,
    FLAT_NUMBER,
    PARTS,
    UNITS,
    Reading,
    asks,
    bare,
    in_words,
    names,
    read,
    value,
    without_denied,
)
from gavel.solutions.answers import Answer, NotRun
from gavel.solutions.numbers import (
    NUMBER_WORDS,
    SIGNIFICANT_DIGITS,
    UNANSWERABLE,
    canonical,
    fraction,
    normalise_signs,
    words_value,
)
from gavel.solutions.sandbox.pool import run_programs

Format = Literal["text", "program"]

# Rounding noise of floating-point arithmetic and of irrational values, far below any difference that matters in a word
# problem. The tolerance applies only to decimals of `SIGNIFICANT_DIGITS` digits; integers, fractions and shorter
# decimals are exact.
RELATIVE_TOLERANCE = Fraction(1, 10**9)
# 0.1 + 0.2 - 0.3 may leave this much instead of 0.
ABSOLUTE_TOLERANCE = Fraction(1, 10**12)

# GSM-Plus writes 13/3 as 4.33. The coarser of two decimals counts as a rounding of the finer if it has at least this
# many places (with one place, 12.24 would match 12.2), is within half a unit of its last place ...
ROUNDED_PLACES = 2
# ... and differs little relative to the number: 0.17 for 1/6 (2 %) passes, 0.05 for 0.0461 does not.
ROUNDED_RELATIVE = Fraction(2, 100)

# Patterns of the markers by rule; if two match at one position, the later one in this table decides. The second entry
# is a lower-case text that every match contains; checking for it first saves most texts most patterns.
_MARKERS = {
    "hash": (re.compile(r"(?<!\#)\#\#\#\#(?!\#)"), "####"),
    "box": (re.compile(r"\\(?:boxed|fbox)[ ]?\{"), "box"),
    "tag": (re.compile(r"<answer>"), "<answer>"),
    "after": (
        re.compile(
            r"(?:,?[ ]which)?[ ](?:is|are)[ ](?:therefore[ ]|thus[ ]|indeed[ ])?(?:the|my|our)[ ]"
            r"(?:final[ ]|correct[ ])?answer\b",
            re.IGNORECASE,
        ),
        "answer",
    ),
    "phrase": (
        re.compile(
            r"\banswer[*_]*(?:[ ]\([^()\n]{1,40}\))?(?:[ ]to[ ][\w' ]{1,60})?"
            r"[ ](?:is|(?:will|should|must)[ ]be|(?P<weak>(?:would|might|may|could)[ ](?:also[ ]|then[ ]|well[ ])?(?:be"
            r"|have[ ]been))|equals|=)(?![\w'])"
            r"|\b(?:the|my|our|final|correct)[ ](?:final[ ])?answer[*_]*[ ]?[:=]",
            re.IGNORECASE,
        ),
        "answer",
    ),
    "letter": (
        re.compile(
            r"(?:^|(?<=[.!?>\#]))[ \t*_]*+(?:A|(?i:(?:final[ ])?answer))[*_]*+[ \t]?[:=]",
            re.MULTILINE,
        ),
        "a",
    ),
    "heading": (
        re.compile(
            r"^[ \t]*(?:\#{1,6}[ \t]*[*_]*|[*_]{1,3})(?:final[ ])?answer[*_]*[ \t]*$",
            re.MULTILINE | re.IGNORECASE,
        ),
        "answer",
    ),
}
# A correction right after an answer: "Wait, that's wrong. ...", "No, it's 19."
_SELF_CORRECTION = (
    r"[\s.,;:!?*_$)\\}<>/-]*"
    r"(?:(?:oh[ ]no|no|wait|hmm|oops|actually|sorry|hold[ ]on|correction|on[ ]second[ ]thought)\b[\s,.:!-]*)"
)
_TURN = _SELF_CORRECTION.replace("|on[", "|but|rather|on[")
_WITHDRAWN = re.compile(
    rf"(?:{_TURN}){{0,3}}[\s.,;:!*_$)\\}}]*"
    r"(?:(?:that|this|it|which)(?:'s|[ ]is|[ ]was)[ ](?:wrong|incorrect|a[ ]mistake|not[ ](?:right|correct))"
    r"|i[ ](?:was[ ]wrong|made[ ]an?[ ](?:mistake|error)|forgot|missed|misread|miscounted|miscalculated"
    r"|overlooked)|scratch[ ]that)\b",
    re.IGNORECASE,
)
_REPLACED = re.compile(
    rf"(?:{_TURN}){{1,3}}(?:(?:it|that|this)(?:'s|[ ]is|[ ]should[ ]be)[ ]|i[ ]mean[ ]|make[ ]that[ ]|should[ ]be[ ])?"
    rf"[*_]*(?P<number>{FLAT_NUMBER})[*_]*{UNITS}[ ]*(?:[.!]|\n|$)",
    re.IGNORECASE,
)
# An answer is reconsidered: "Actually, let me recheck: 13", "Wait, each box holds 3, so it's 12." A confirmation is not
# a reconsideration.
_REOPENED = re.compile(
    rf"(?:{_TURN}){{0,2}}(?:{_SELF_CORRECTION})|[\s.,;:!*_$)\\}}]*(?=let(?:'s|[ ]me|[ ]us)[ ](?:redo|recompute"
    rf"|recalculate|start[ ]over|try[ ]again)\b)",
    re.IGNORECASE,
)
_RECHECKS = re.compile(
    r"let(?:'s|[ ]me|[ ]us)\b|\bi[ ](?:need|should|must|have)\b|=[ ]*[*_$€£(\\-]*[0-9]"
    r"|\b(?:so|therefore|thus|hence|altogether)\b[^\n?]{0,80}[0-9]",
    re.IGNORECASE,
)
_CONFIRMS = re.compile(
    r"\b(?:yes|correct|right|matches|confirm\w*|works|checks?[ ]out|consistent|indeed|good|fine|verified)\b",
    re.IGNORECASE,
)
# `The answer is 5, but it could also be 7.`
_OR_ELSE = re.compile(
    rf"{UNITS}[*_$)\\}}]*[.,;]?\s+(?:(?:but|or|and|though|although|maybe|perhaps)[ ])?(?:(?:it|that|this"
    rf"|the[ ]answer)[ ])?"
    rf"(?:could|might|may|can)(?:[ ](?:also|even|equally|well"
    rf"|just[ ]as[ ]well))*[ ]be[ ][*_$]*(?P<number>{FLAT_NUMBER})",
    re.IGNORECASE,
)
_IF = re.compile(r"\b(?:if|had|were|without|unless|suppose|supposing|assuming|otherwise)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n")

# The end of a cue's question: its question mark, a blank line, or an answer. `_DATA` is a number in the question.
_ASKED = re.compile(r"\?|\n[ \t]*\n|^[#*_ \t]*(?:A|Answer|Solution)[*_]*[ \t]*(?:[:).]|$)|\bthe answer\b", re.M | re.I)
_DATA = re.compile(rf"[0-9]|\b(?!one\b|second\b){NUMBER_WORDS}", re.IGNORECASE)
# A heading above the final answer; an earlier `#### 3 shirts` is then a heading, too.
_TOTAL = re.compile(
    r"^[ \t]*\#{1,6}[ \t*_]*(?:(?:the|grand|final|overall)[ ])*(?:total|sum|result|answer|altogether|in[ ]total"
    r"|combined)\b"
    r"[^\n0-9]{0,80}$",
    re.MULTILINE | re.IGNORECASE,
)
# A heading begins with one of these words, unless it states a number (`#### Conclusion: 42`), or it is numbered.
_HEADS = (
    "Check|Verif|Calculat|Conclusion|Summary|Reasoning|Analysis|Approach|Breakdown|Understand|Given|Answer|Final Answer"
)
_STRUCTURE = re.compile(
    rf"[^\w$€£\\-]*(?:(?:{PARTS})s?\b|(?:{_HEADS})[a-z]*(?![a-z]*[ ]*[:=]?[ ]*[-$€£]*[0-9])"
    r"|(?P<numbered>[0-9]{1,2}[.)][ ]+[*_]*[A-Za-z]))",
    re.IGNORECASE,
)
# A preceding box in the same list: `\boxed{2}, \boxed{3}`, `\boxed{2} and \boxed{3}`.
_BOX_BEFORE = re.compile(
    r"\\(?:boxed|fbox)[ ]?\{(?P<content>(?:[^{}]|\{[^{}]*\})*+)\}[\s$]*(?:\\[)\]])?[\s$]*"
    r"(?:,|;|,?[ ]?(?:and|or)|\\text\{[ ]?(?:,|and|or)[ ]?\}|(?<=\}))[ $]*(?:\\[(\[])?[ $]*$"
)
# A preceding box in the same sentence (`Alice: \boxed{5}, Bob: \boxed{6}`), unless the words between lead to the next.
_BOX_IN_SENTENCE = re.compile(
    r"\\(?:boxed|fbox)[ ]?\{(?P<content>(?:[^{}]|\{[^{}]*\})*+)\}(?P<between>(?:(?!\\boxed|\\fbox|[.!?](?:\s"
    r"|$))[^\n])*+)$"
)
_LEADS_ON = re.compile(
    r"[=+×→]|\b(?:so|therefore|thus|hence|we[ ](?:get|find|have)|gives?|makes?|no|not|wait|actually|correct\w*"
    r"|rather|sorry"
    r"|oops|instead|becomes|wrong|final\w*)\b",
    re.IGNORECASE,
)

_ANNOTATION = re.compile(r"<<[^<>\n]*>>")
_BACKSLASHES = (
    (re.compile(r"\\[$]"), ""),
    (re.compile(r"\{,\}(?=[0-9]{3})|(?<=[0-9])\\[,!](?=[0-9]{3})"), ","),
    (re.compile(r"\\ "), " "),
)
# Notations that vary, or that need more context than a number has.
_NOTATIONS = (
    # An en dash before a clause does not join two numbers, such as one between '15' and '3 people with 5 apples each'.
    (
        "–",
        re.compile(
            r"[ ]–(?=[ ][$€£]?[0-9][0-9.,]*+(?:(?:[ ][A-Za-z',]+){3}|[ ][a-z]+[ ](?:with|who|at|for|get|have|in)\b)"
            r"(?![^.!?\n]{0,150}(?:[≈]|\b(?:which|that|or|giving|making|i\.e\.|equals|namely)\b)))"
        ),
        " —",
    ),
    ("+/-", re.compile(r"\+/-"), "±"),
    ("plus or minus", re.compile(r"\bplus or minus(?=[ ][0-9])"), "±"),
    # `|-5|` outside LaTeX. Not where other bars on the line may make it a cell of a table.
    (
        "|",
        re.compile(
            r"(^[^|\n]*|[=+*/(≈<>][ ]*)(?<![\w)}\]\\])\|[-−–]([$€£]?[0-9][0-9,]*(?:\.[0-9]+)?)\|"
            r"(?![\w(\\{\[]|\.[0-9])(?=[ ]*[=+*/)≈<>]|[^|\n]*$)",
            re.MULTILINE,
        ),
        r"\1\2",
    ),
    ("_", re.compile(r"(?<=[0-9])_(?=[0-9]{3}(?![0-9_]|\{))(?<![0-9]{4}_)"), ","),
    (".", re.compile(r"(?<![0-9.,])([0-9]+\.[0-9]*)\(([0-9]{1,20})\)"), r"\1\\overline{\2}"),
    # `$5k`, `$2M`, `$3bn`; without a currency sign such a letter may be a unit.
    ("k", re.compile(r"([$€£₹][ ]?[0-9]+(?:[.,][0-9]+)*)[ ]?[kK](?![A-Za-z0-9])"), r"\1 thousand"),
    ("m", re.compile(r"([$€£₹][ ]?[0-9]+(?:[.,][0-9]+)*)[ ]?(?:[mM]n?|MM)(?![A-Za-z0-9])"), r"\1 million"),
    ("b", re.compile(r"([$€£₹][ ]?[0-9]+(?:[.,][0-9]+)*)[ ]?[bB]n?(?![A-Za-z0-9])"), r"\1 billion"),
)
# A Markdown code block: its fence is on a line of its own with any language, or after words with Python or no language.
_FENCE = re.compile(
    r"(?<![`~])(?:^[ \t]*+(?:(?:[-*+]|[0-9]{1,3}[.)])[ \t]*+)?(?P<fence>`{3,}+|~{3,}+)[^`\n]*"
    r"|(?P<inline>`{3,}+|~{3,}+)(?:python|py)?[ ]*)\n"
    r"(?P<code>.*?)(?:(?P=fence)|(?P=inline)|\Z)",
    re.DOTALL | re.MULTILINE | re.IGNORECASE,
)
_DEFINITION = "def solution"
_RETURN = re.compile(r"^[ \t]++(?:[^\n]*[:;][ \t]*+)?return\b", re.MULTILINE)
# What ends a program: a cue, or the closing fence of a block that the prompt opened.
_PROGRAM_END = re.compile(rf"{CUE.pattern}|^[ \t]*+(?:```|~~~)", CUE.flags)
_CODE_LINE = re.compile(r"^[ \t]*+[^\s#]", re.MULTILINE)


class _Places(NamedTuple):
    """Positions in a text: of its last digit, of its last heading such as `#### Total` (-1 if there is none), and of
    the next marker, which holds no answer (the text's length if there is no next marker)."""

    last_digit: int
    last_total: int
    end: int


def extract(text: str) -> str | None:
    """The canonical answer of a text solution: a number, `"None"` (cannot be answered), or None (no answer).

    Never raises, whatever the text; the module's docstring has the rules.
    """
    text = _ANNOTATION.sub("", text)
    lower = text.lower()
    for needs, pattern, replacement in _NOTATIONS:
        if needs in lower:
            text = pattern.sub(replacement, text)
    text = normalise_signs(text)
    text = without_thoughts(text)
    if "\\" in text:
        for pattern, replacement in _BACKSLASHES:
            text = pattern.sub(replacement, text)
    if "answer" in text.lower():
        text = DENIED_STATEMENT.sub(" ", text)
    text = _first_problem(text)
    decided, answer = _marked(text)
    # An unclosed box: the text breaks off.
    if decided or "\\boxed" in text or "\\fbox" in text:
        return answer
    return bare(text)


def equal(answer: str | None, gold: str | None) -> bool:
    """Whether two answers are the same number, or both `"None"`. Symmetric; a missing answer (None) equals nothing.

    Integers and fractions are compared exactly. A decimal with two or more places also matches a number that it rounds
    (4.33 and 13/3). A decimal of `SIGNIFICANT_DIGITS` digits, which is irrational or comes from floating-point
    arithmetic, matches up to its rounding noise. Arguments need not be canonical; text that is not a number equals
    nothing.
    """
    left, right = (None if value is None else canonical(value) for value in (answer, gold))
    if left is None or right is None:
        return False
    if left == right or UNANSWERABLE in (left, right) or "." not in left + right:
        return left == right
    x, y = fraction(left), fraction(right)
    difference, size = abs(x - y), max(abs(x), abs(y))
    if _noisy(left) or _noisy(right):
        if difference <= RELATIVE_TOLERANCE * size or (not x * y and difference <= ABSOLUTE_TOLERANCE):
            return True
    # A fraction has infinitely many places, or more than a decimal can have here.
    coarser = min(len(text.partition(".")[2]) for text in (left, right) if "/" not in text)
    rounds = coarser >= ROUNDED_PLACES and 2 * difference * 10**coarser <= 1
    return rounds and difference <= ROUNDED_RELATIVE * size


def _noisy(text: str) -> bool:
    """Whether a canonical text is a decimal with so many digits that arithmetic must have rounded it."""
    _, _, places = text.partition(".")
    return len(places) >= 3 and len(text.replace(".", "").strip("-0")) >= SIGNIFICANT_DIGITS


def solutions_to_answers(
    responses: Sequence[str], format: Format, answer_type: str = answer_types.DEFAULT
) -> list[Answer]:
    """The answers of many solutions, in order: extracted from texts, or returned by programs.

    A program that did not run within the batch's time gets `NOT_RUN`.

    Args:
        answer_type: a key of `gavel.solutions.answer_types.MODULES`.

    Raises:
        ValueError: the format or the type is unknown, or a solution of this format has no answer of this type.
    """
    kind = answer_types.find(answer_type)
    if format not in ("text", "program"):
        raise ValueError(f"format {format!r} is unknown; use 'text' or 'program'")
    if format not in kind.formats:
        raise ValueError(f"a {format} has no answer of the type {answer_type!r}; use {' or '.join(kind.formats)}")
    if format == "text":
        read_text = kind.extract or extract
        return [read_text(response) for response in responses]
    return run_programs([_program(response) for response in responses])


def verify(
    responses: Sequence[str], golds: Sequence[str], format: Format, answer_type: str = answer_types.DEFAULT
) -> tuple[list[str | None], list[bool | None]]:
    """The answers of the responses, and whether each equals the gold answer at the same position.

    Both are None for a program that did not run (`gavel.solutions.answers.NOT_RUN`), because its correctness is
    unknown.

    Raises ValueError if the lists differ in length, and as `solutions_to_answers`.
    """
    if len(responses) != len(golds):
        raise ValueError(f"{len(responses)} responses but {len(golds)} gold answers; give one gold answer per response")
    answers: list[str | None] = []
    correct: list[bool | None] = []
    same = answer_types.find(answer_type).equal or equal
    for answer, gold in zip(solutions_to_answers(responses, format, answer_type), golds, strict=True):
        known = None if isinstance(answer, NotRun) else answer
        answers.append(known)
        correct.append(None if isinstance(answer, NotRun) else same(known, gold))
    return answers, correct


def _first_problem(text: str) -> str:
    """The text up to where it turns to another problem (rule 1). Each part between two cues is read once."""
    start, asked = 0, False
    for cue in CUE.finditer(text):
        part = text[start : cue.start()]
        if part.strip():
            if _marked(part)[0]:
                return text[: cue.start()]
            # Without its first line, which repeats the question.
            stated = bare(part.partition("\n")[2] if asked else part) is not None
            if stated and (not (cue["cue"] or cue["heading"]) or _asks_new_question(text, cue.end())):
                return text[: cue.start()]
        start, asked = cue.start(), bool(cue["cue"] or cue["heading"])
    return text


def _asks_new_question(text: str, start: int) -> bool:
    """Whether the question at a cue is another problem, that is, has numbers of its own."""
    window = text[start : start + 5 * ANSWER_LENGTH].lstrip(" \t\n*_")
    end = _ASKED.search(window)
    return bool(_DATA.search(window[: end.start()] if end else window))


def _marked(text: str) -> tuple[bool, str | None]:
    """Whether a marker decides, and the answer of the last marker that does (rules 2 and 3)."""
    lower = text.lower()
    markers = [
        (match.start(), order, kind, match)
        for order, (kind, (pattern, needs)) in enumerate(_MARKERS.items())
        if needs in lower
        for match in pattern.finditer(text)
    ]
    markers.sort(key=lambda marker: marker[:2])
    if not markers:
        return False, None
    last_total = max((total.start() for total in _TOTAL.finditer(text)), default=-1)
    places = _Places(max(map(text.rfind, "0123456789")), last_total, len(text))
    for start, _, kind, match in reversed(markers):
        if (reading := _RULES[kind](text, match, places)) is not None:
            return True, _corrected(text, reading)
        places = places._replace(end=start)
    return False, None


def _hash(text: str, marker: re.Match[str], places: _Places) -> Reading | None:
    """`#### 18`. A Markdown heading of that level is not a marker: it begins with a word such as 'Step', or names
    what comes below (`names`)."""
    line, start, end = _line(text, marker.end())
    line, below = without_denied(line), "\n" in text[marker.end() : start]
    heads = not text[text.rfind("\n", 0, marker.start()) + 1 : marker.start()].strip(" \t*_>")
    if not heads and (below or not line):
        return None  # the end of a closed heading: `#### 18 ####`
    part, follows = _STRUCTURE.match(line), places.last_digit >= end
    if heads and ((part and (not part["numbered"] or follows)) or (not below and names(line, follows))):
        return None
    if heads and end <= places.last_total < places.last_digit and not _NUMBER_ALONE.fullmatch(line):
        return None
    reading = read(line, bullets=below)
    if not reading.starts:
        reading = in_words(line, last=False)
        if not reading.starts and heads and follows:
            return None
    elif not any(map(str.isdigit, line)) and heads and follows and reading.answer != UNANSWERABLE:
        return None  # `#### Two hats`
    return _moved(reading, start)


def _box(text: str, marker: re.Match[str], places: _Places) -> Reading | None:
    content, end = _braced(text, marker.end())
    if content is None:
        return None
    answer = _boxed(content)
    window = text[max(0, marker.start() - ANSWER_LENGTH) : marker.start()]
    previous = _BOX_BEFORE.search(window)
    if previous is None:
        previous = _BOX_IN_SENTENCE.search(window)
        if previous and _LEADS_ON.search(previous["between"]):
            previous = None
    if previous and _boxed(previous["content"]) != answer:
        answer = None
    return Reading(True, answer, end)


def _boxed(content: str) -> str | None:
    r"""The content of a box as a number or formula, or else the number in its words (`\boxed{18 eggs a day}`)."""
    if content.strip(" $").removeprefix("\\text{").rstrip("}. ") == UNANSWERABLE:
        return UNANSWERABLE
    content = re.split(r",?\s*\b(?:because|since)\b", content, maxsplit=1)[0]
    words = re.fullmatch(rf"(?:\\text\w*[ ]?\{{)?\s*({NUMBER_WORDS})(?:\s[A-Za-z ]*)?[}}.\s]*", content, re.IGNORECASE)
    if words and (amount := words_value(words[1])) is not None:
        return canonical(amount)
    answer = value(content.strip(" \t\n$*_"))
    if answer is not None or re.search(r"[\\^=<>+*/|≤≥≠{±]|[0-9)!]!|[0-9)]_", content):
        return answer
    content = without_denied(content)
    reading = read(content)
    return (reading if reading.starts else in_words(content, last=False)).answer


def _tag(text: str, marker: re.Match[str], places: _Places) -> Reading | None:
    end = text.find("</answer>", marker.end(), marker.end() + 2 * ANSWER_LENGTH)
    content = text[marker.end() : end if end >= 0 else marker.end() + ANSWER_LENGTH].strip()
    return _moved(_begun(content, content), marker.end()) if content else None


def _letter(text: str, marker: re.Match[str], places: _Places) -> Reading | None:
    line, start, _ = _line(text, marker.end())
    reading = read(line, bullets="\n" in text[marker.end() : start])
    return _moved(reading, start) if reading.starts else Reading(True, bare(text[marker.end() :]), len(text))


def _phrase(text: str, marker: re.Match[str], places: _Places) -> Reading | None:
    line, start, _ = _line(text, marker.end())
    denied = without_denied(line[: max(0, places.end - start)])
    reading = read(denied, bullets="\n" in text[marker.end() : start])
    if marker["weak"] and _supposes(text, marker, start, reading, places):
        return None
    if reading.starts:
        return None if asks(denied, reading.end) else _moved(reading, start)
    reading = in_words(denied, last=True)
    return _moved(reading, start) if reading.starts else None


def _supposes(text: str, marker: re.Match[str], start: int, reading: Reading, places: _Places) -> bool:
    """Whether `the answer would be 8` or `might be 8` does not decide: it depends on an `if`, or is only a guess,
    and numbers follow in other sentences."""
    if not marker["weak"].lower().startswith("would"):
        if not reading.starts and not re.match(r"\W*(?:either|between)\b", text[start : start + 20], re.IGNORECASE):
            return True  # `the answer could be found by adding 3 and 4`
    elif not _IF.search(re.split(r"[.!?]\s|\n", text[max(0, marker.start() - 150) : marker.start()])[-1]):
        return False
    end = _SENTENCE_END.search(text, start + reading.end, start + ANSWER_LENGTH)
    if end is None or places.last_digit < end.end():
        return False
    return not _OR_ELSE.match(text, start + reading.end, start + 2 * ANSWER_LENGTH)


def _after(text: str, marker: re.Match[str], places: _Places) -> Reading | None:
    """`18 is the answer`, `18 eggs is the answer`."""
    sentence = text[max(0, marker.start() - 60) : marker.start()].rpartition("\n")[2]
    match = _ENDS_ON_NUMBER.search(sentence)
    if match is None:
        return None
    answer = bare(match[0])
    return None if answer is None else Reading(True, answer, marker.end())


_NUMBER_ALONE = re.compile(rf"[^\w]*{FLAT_NUMBER}[^\w]*")
_ENDS_ON_NUMBER = re.compile(rf"{FLAT_NUMBER}[*_$]*{UNITS}[*_$]*$")
_RULES: dict[str, Callable[[str, re.Match[str], _Places], Reading | None]] = {
    "heading": _letter,
    "hash": _hash,
    "box": _box,
    "tag": _tag,
    "letter": _letter,
    "phrase": _phrase,
    "after": _after,
}


def _begun(statement: str, rest: str) -> Reading:
    reading = read(statement)
    return reading if reading.starts else Reading(True, bare(rest), len(rest))


def _moved(reading: Reading, by: int) -> Reading:
    return reading._replace(end=reading.end + by)


def _line(text: str, start: int) -> tuple[str, int, int]:
    """The line at `start`, or the next non-blank one: at most `ANSWER_LENGTH` characters, its start and its end."""
    window = text[start : start + ANSWER_LENGTH]
    blank = len(window) - len(window.lstrip())
    line = window[blank:].partition("\n")[0]
    return line, start + blank, start + blank + len(line)


def _corrected(text: str, reading: Reading) -> str | None:
    """The reading's answer, or the one that replaces it in a correction right after it."""
    end = _SENTENCE_END.search(text, reading.end, reading.end + ANSWER_LENGTH)
    for start in (reading.end, end.end()) if end else (reading.end,):
        if match := _REPLACED.match(text, start, start + ANSWER_LENGTH):
            return canonical(re.sub(r"[*_]", "", match["number"]))
        if match := _WITHDRAWN.match(text, start, start + ANSWER_LENGTH):
            return bare(text[match.end() :])
        match = _OR_ELSE.match(text, start, start + ANSWER_LENGTH)
        if match and canonical(match["number"]) != reading.answer:
            return None
        if match := _REOPENED.match(text, start, start + ANSWER_LENGTH):
            return _redone(text[match.end() :], reading.answer)
    return reading.answer


def _redone(rest: str, answer: str | None) -> str | None:
    """The answer of a text after "Actually, let me recheck": its new result, or the old answer if the text has no
    result, repeats the old answer, or confirms it."""
    if _CONFIRMS.search(rest) or not _RECHECKS.search(rest[:ANSWER_LENGTH]):
        return answer
    if answer is not None and re.search(rf"(?<![0-9.,]){re.escape(answer)}(?![0-9]|[.,][0-9])", rest):
        return answer
    return bare(rest) or answer


def _braced(text: str, start: int) -> tuple[str | None, int]:
    """The content before the brace that closes the one before `start`, and where it closes; None if it is too far
    away."""
    depth, end = 1, min(len(text), start + ANSWER_LENGTH)
    if text.find("}", start, end) < 0:
        return None, end
    for position in range(start, end):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if not depth:
            return text[start:position].strip(), position + 1
    return None, end


def _program(response: str) -> str:
    """The program in a response, without Markdown fences and without what follows once it turns to another problem.

    Of several fenced programs, the last one before such a turn counts. Text before `</think>` is ignored if a program
    follows.
    """
    _, _, solution = response.rpartition("</think>")
    if _DEFINITION in solution:
        response = solution
    response = response.replace("\r\n", "\n")
    block = None
    for fence in _FENCE.finditer(response):
        if _DEFINITION not in fence["code"]:
            continue
        if not block and _DEFINITION in (head := response[: fence.start()]) and (first := _first_program(head)) != head:
            return first
        if block and CUE.search(response, block.end(), fence.start()):
            break
        block = fence
    return _first_program(dedent(block["code"]) if block else response)


def _first_program(text: str) -> str:
    """The text up to where, after the function's return, an unindented line turns to another problem.

    A comment does so only if the next line of code is also unindented; otherwise the comment is inside the function.
    """
    defined = text.find(_DEFINITION)
    returned = _RETURN.search(text, defined) if defined >= 0 else None
    start = returned.end() if returned else len(text)
    while end := _PROGRAM_END.search(text, start):
        code = _CODE_LINE.search(text, end.end()) if end[0][0] == "#" else None
        if end[0][0] not in " \t" and not (code and code[0][0] in " \t"):
            return text[: end.start()]
        start = code.start() if code else end.end()
    return text
