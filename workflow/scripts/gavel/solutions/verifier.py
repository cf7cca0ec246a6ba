r"""THE verifier: what a solution answers, and whether that is right. Rewards, judge calibration, votes and
evaluation all call this module, so there is one definition of 'correct'. It does not grade reasoning: only
the final answer.

Program solutions answer what they return (`gavel.solutions.sandbox.pool` runs them; `_program` finds the program in a
response: Markdown fences are taken off, and what precedes `</think>` or follows a cue for another problem does not
count, as in a text). A text answers by these rules, in order:

1. What precedes `</think>` is no solution, where something follows. Once an answer has been given, a line that begins
   with the prompt's cue (`Question:`, `Q:`) begins another problem, and the text ends there.
2. The last marker that holds an answer decides (`_MARKERS`, `_RULES`):
   - `#### 18`: the number, or the line below it. A Markdown heading (`#### Step 1`, `#### Solution`) is no marker;
   - `\boxed{18}`: a number or a formula (`gavel.solutions._latex`). Boxes that make a list (`\boxed{2}, \boxed{3}`) are
     no answer;
   - `A: 18`, `Answer: 18` at the start of a line or sentence, a heading 'Final Answer', `<answer> 18 </answer>`: the
     number it begins with; if it begins with words (`A: Let's see. ...`), what follows is read by rule 4;
   - `the answer is 18`, `the answer (arabic numerals) is 18`, `the final answer: 18`, `18 is the answer`: the number in
     that sentence, before any reason (`because`, `since`, `(`); a sentence without a number, or one that denies or
     asks, does not count.
   A correction right after it ("Wait, that's wrong. ...", "No, it's 19") replaces it.
3. In a marker a computation stands for its result (`676 - 224, which is 452`, `1600*3.5 = $5600`), and is no answer
   without one (`5 - 3`). A formula between `$` signs, or in LaTeX, is evaluated. A list, an alternative (`2 or 3`), a
   range, a bound (`at least 5`), a time, a variable (`5x`) and words (`unknown`) are no answer.
4. Without a marker the last number (or formula) of the text is the answer. Numbers of steps, numbers that are denied
   (`not 10`) and digits inside words do not count; where the text breaks off in a computation, or ends with the
   question, there is none.

Annotations `<<48/2=24>>`, currency signs, units after the number, full stops and thousands separators (`1,200`,
`1 200`, `1,00,000`) are stripped; signs (`- 5`, `(-5)`, `–5`, `negative 5`), fractions, mixed numbers (`1 1/2`) and
powers of ten (`1e3`, `1.5 x 10^3`) are read; `25%` is 25; words such as 'million' or 'dozen' count as units. 'Cannot be
answered' is only the exact word `None`, alone in a marker (`#### None`, `A: None`, `\boxed{None}`, `the answer is
None`): a lower-case `none` may well mean zero. No answer is Python's None and equals nothing.

The work is linear in the text's length: a marker reads at most `ANSWER_LENGTH` characters, and a formula is evaluated
within the bounds of `gavel.solutions._latex`.
"""

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from textwrap import dedent
from typing import Literal

from gavel.solutions._statements import (
    FLAT_NUMBER,
    PARTS,
    UNITS,
    Reading,
    asks,
    bare,
    in_words,
    read,
    value,
    without_denied,
)
from gavel.solutions.budget import Answer, NotRun
from gavel.solutions.numbers import SIGNIFICANT_DIGITS, UNANSWERABLE, canonical, fraction, plain_signs
from gavel.solutions.sandbox.pool import run_programs

__all__ = ["canonical", "equal", "extract", "solutions_to_answers", "verify"]

Format = Literal["text", "program"]

# Noise of floating-point arithmetic and of irrational values, far below any difference that a word problem can mean.
# It applies to decimals of `SIGNIFICANT_DIGITS` digits only; integers, fractions and shorter decimals are exact.
RELATIVE_TOLERANCE = Fraction(1, 10**9)
# What 0.1 + 0.2 - 0.3 may leave instead of 0.
ABSOLUTE_TOLERANCE = Fraction(1, 10**12)

# GSM-Plus writes 13/3 as 4.33. Of two decimals the coarser is taken for a rounding of the finer if it has at
# least this many places (with one place, 12.24 would pass for 12.2) and lies within half a unit of its last
# place ...
ROUNDED_PLACES = 2
# ... and the difference is small relative to the number: 0.17 for 1/6 (2 %) passes, 0.05 for 0.0461 does not.
ROUNDED_RELATIVE = Fraction(2, 100)

# A marker's answer stands at its beginning; the bound keeps adversarial text linear.
ANSWER_LENGTH = 200

# Patterns of the markers by rule; of two at one place the later here decides. The second entry is a piece of text (in
# lower case) without which there is none, which spares most texts most patterns.
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
            r"[ ](?:is|will[ ]be|would[ ]be|should[ ]be|must[ ]be|equals|=)(?![\w'])"
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
# `I don't think the answer is 5`, `if the answer is 5`: no statement.
_DENIED_STATEMENT = re.compile(
    r"(?:(?:n't|\bnot|\bnever|\bcannot|\bnobody)[ ](?:\w{1,20}[ ])?"
    r"(?:think|believe|say|claim|mean|true|the[ ]case|possible|likely|right|correct|sure)(?:[ ](?:that|if|whether))?"
    r"|\b(?:(?:if|suppose|assume|assuming|whether|unless)(?:[ ]that)?|(?:false|wrong|incorrect)[ ]that))"
    r"(?:[ ](?:the|my|our|final|correct)){0,3}[ ]answer\b[^.!?\n]{0,200}",
    re.IGNORECASE,
)
# A correction right after an answer: "Wait, that's wrong. ...", "No, it's 19."
_TURN = (
    r"[\s.,;:!?*_$)\\}<>/-]*"
    r"(?:(?:oh[ ]no|no|wait|hmm|oops|actually|sorry|hold[ ]on|correction|but|rather|on[ ]second[ ]thought)\b[\s,.:!-]*)"
)
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
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n")

# The prompt's cues, and the marks that end a turn.
_CUE = re.compile(
    r"^[ \t]*+[#*_>]*+[ \t]*+(?:Next[ ])?(?:Question|Q|Problem|Human|User|Instruction)"
    r"(?:[*_]*[ \t]*:|[ ]?\#?[0-9]{1,3}[*_]*[ \t]*(?::|$))"
    r"|<\|(?:im_end|endoftext|eot_id)\|>|</s>|<end_of_turn>",
    re.MULTILINE | re.IGNORECASE,
)
# Without a marker an answer has been given where a result stands.
_CONCLUDES = re.compile(
    r"=[ ]*[$€£(\\-]*[0-9]|^[ \t$*_]*+-?[0-9][0-9.,]*+[ \t*_]*$"
    r"|\b(?:so|therefore|thus|hence|total|altogether)\b[^\n?]{0,80}[0-9]",
    re.MULTILINE | re.IGNORECASE,
)
# A heading begins with such a word, unless it gives a number (`#### Conclusion: 42`); or it is numbered.
_HEADS = (
    "Check|Verif|Calculat|Conclusion|Summary|Reasoning|Analysis|Approach|Breakdown|Understand|Given|Answer|Final Answer"
)
_STRUCTURE = re.compile(
    rf"[^\w$€£\\-]*(?:(?:{PARTS})s?\b|(?:{_HEADS})[a-z]*(?![a-z]*[ ]*[:=]?[ ]*[-$€£]*[0-9])"
    r"|(?P<numbered>[0-9]{1,2}[.)][ ]+[*_]*[A-Za-z]))",
    re.IGNORECASE,
)
# A box of the same list: `\boxed{2}, \boxed{3}`, `\boxed{2} and \boxed{3}`.
_BOX_BEFORE = re.compile(
    r"\\(?:boxed|fbox)[ ]?\{(?P<content>(?:[^{}]|\{[^{}]*\})*+)\}[\s$]*(?:\\[)\]])?[\s$]*"
    r"(?:,|;|,?[ ]?(?:and|or)|\\text\{[ ]?(?:,|and|or)[ ]?\}|(?<=\}))[ $]*(?:\\[(\[])?[ $]*$"
)

_ANNOTATION = re.compile(r"<<[^<>\n]*>>")
_BACKSLASHES = (
    (re.compile(r"\\[$]"), ""),
    (re.compile(r"\{,\}(?=[0-9]{3})|(?<=[0-9])\\[,!](?=[0-9]{3})"), ","),
    (re.compile(r"\\ "), " "),
)
# A Markdown code block: on a line of its own with whatever names the language, or after words and then as Python.
_FENCE = re.compile(
    r"(?<![`~])(?:^[ \t]*+(?:(?:[-*+]|[0-9]{1,3}[.)])[ \t]*+)?(?P<fence>`{3,}+|~{3,}+)[^`\n]*"
    r"|(?P<inline>`{3,}+|~{3,}+)(?:python|py)?[ ]*)\n"
    r"(?P<code>.*?)(?:(?P=fence)|(?P=inline)|\Z)",
    re.DOTALL | re.MULTILINE | re.IGNORECASE,
)
_DEFINITION = "def solution"
_RETURN = re.compile(r"^[ \t]++(?:[^\n]*[:;][ \t]*+)?return\b", re.MULTILINE)
# What ends a program: a cue, or the fence that closes a block which the prompt has opened.
_PROGRAM_END = re.compile(rf"{_CUE.pattern}|^[ \t]*+(?:```|~~~)", _CUE.flags)
_CODE_LINE = re.compile(r"^[ \t]*+[^\s#]", re.MULTILINE)


def extract(text: str) -> str | None:
    """Canonical answer of a text solution: a number, `"None"` (cannot be answered), or None (no answer).

    Never raises, whatever the text; the rules are in the module's docstring.
    """
    text = plain_signs(_ANNOTATION.sub("", text))
    _, thought, solution = text.rpartition("</think>")
    if thought and solution.strip():
        text = solution
    if "\\" in text:
        for pattern, replacement in _BACKSLASHES:
            text = pattern.sub(replacement, text)
    if "answer" in text.lower():
        text = _DENIED_STATEMENT.sub(" ", text)
    text = _first_problem(text)
    decided, answer = _marked(text)
    # A box that has been begun, and a thought that has not ended: the text breaks off.
    if decided or "\\boxed" in text or "\\fbox" in text or ("<think>" in text and not thought):
        return answer
    return bare(text)


def equal(answer: str | None, gold: str | None) -> bool:
    """Whether two answers are the same number, or both `"None"`; symmetric; no answer (None) equals nothing.

    Integers and fractions are compared exactly; a decimal with two or more places also matches what it rounds (4.33
    and 13/3); a decimal of `SIGNIFICANT_DIGITS` digits, which is irrational or comes from floating-point arithmetic,
    matches up to its noise. Arguments need not be canonical; text that is no number equals nothing.
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
    # A fraction has endlessly many places, or more than a decimal here can have.
    coarser = min(len(text.partition(".")[2]) for text in (left, right) if "/" not in text)
    rounds = coarser >= ROUNDED_PLACES and 2 * difference * 10**coarser <= 1
    return rounds and difference <= ROUNDED_RELATIVE * size


def _noisy(text: str) -> bool:
    """Whether a canonical text is a decimal with so many digits that arithmetic has rounded it."""
    _, _, places = text.partition(".")
    return len(places) >= 3 and len(text.replace(".", "").strip("-0")) >= SIGNIFICANT_DIGITS


def solutions_to_answers(responses: Sequence[str], format: Format) -> list[Answer]:
    """Answers of many solutions, in order: read from text, or returned by programs; `NOT_RUN` for a program that the
    batch's time did not suffice for. Raises ValueError for any other format."""
    if format == "text":
        return [extract(response) for response in responses]
    if format == "program":
        return run_programs([_program(response) for response in responses])
    raise ValueError(f"format {format!r} is unknown; use 'text' or 'program'")


def verify(
    responses: Sequence[str], golds: Sequence[str], format: Format
) -> tuple[list[str | None], list[bool | None]]:
    """Answers of the responses and whether each equals the gold answer at its own position.

    Both are None for a program that did not run (`gavel.solutions.budget.NOT_RUN`): nobody knows whether it is right.

    Raises ValueError when the two lists differ in length or the format is unknown.
    """
    if len(responses) != len(golds):
        raise ValueError(f"{len(responses)} responses but {len(golds)} gold answers; give one gold a response")
    answers: list[str | None] = []
    correct: list[bool | None] = []
    for answer, gold in zip(solutions_to_answers(responses, format), golds, strict=True):
        ran = not isinstance(answer, NotRun)
        answers.append(answer if ran else None)
        correct.append(equal(answer, gold) if ran else None)
    return answers, correct


def _first_problem(text: str) -> str:
    """The text up to where it turns to another problem (rule 1). Each part between two cues is read once."""
    start = 0
    for cue in _CUE.finditer(text):
        part = text[start : cue.start()]
        if part.strip() and (_CONCLUDES.search(part) or _marked(part)[0]):
            return text[: cue.start()]
        start = cue.start()
    return text


def _marked(text: str) -> tuple[bool, str | None]:
    """Whether a marker decides, and the answer of the last that does (rules 2 and 3)."""
    lower = text.lower()
    markers = [
        (match.start(), order, kind, match)
        for order, (kind, (pattern, needs)) in enumerate(_MARKERS.items())
        if needs in lower
        for match in pattern.finditer(text)
    ]
    markers.sort(key=lambda marker: marker[:2])
    last_digit = max(map(text.rfind, "0123456789")) if markers else -1
    for _, _, kind, match in reversed(markers):
        if (reading := _RULES[kind](text, match, last_digit)) is not None:
            return True, _corrected(text, reading)
    return False, None


def _hash(text: str, marker: re.Match, last_digit: int) -> Reading | None:
    """`#### 18`. A Markdown heading of that level is no marker: one that begins with a word such as 'Step', or holds
    words only while numbers follow below."""
    line, start, end = _line(text, marker.end())
    line, below = without_denied(line), "\n" in text[marker.end() : start]
    heads = not text[text.rfind("\n", 0, marker.start()) + 1 : marker.start()].strip(" \t*_>")
    if not heads and (below or not line):
        return None  # the end of a closed heading: `#### 18 ####`
    part = _STRUCTURE.match(line)
    if heads and part and (not part["numbered"] or last_digit >= end):
        return None
    reading = read(line, bullets=below)
    if not reading.starts:
        reading = in_words(line, last=False)
        if not reading.starts and heads and last_digit >= end:
            return None
    return _moved(reading, start)


def _box(text: str, marker: re.Match, last_digit: int) -> Reading | None:
    content, end = _braced(text, marker.end())
    if content is None:
        return None
    answer = _boxed(content)
    window = text[max(0, marker.start() - ANSWER_LENGTH) : marker.start()]
    if previous := _BOX_BEFORE.search(window):
        if _boxed(previous["content"]) != answer:
            answer = None
    return Reading(True, answer, end)


def _boxed(content: str) -> str | None:
    """What a box holds: a number or formula, else the number in its words (`\\boxed{18 eggs a day}`)."""
    if content.strip(" $").removeprefix("\\text{").rstrip("}. ") == UNANSWERABLE:
        return UNANSWERABLE
    content = re.split(r",?\s*\b(?:because|since)\b", content, maxsplit=1)[0]
    answer = value(content.strip(" \t\n$*_"))
    if answer is not None or re.search(r"[\\^=<>+*/|≤≥≠{]|[0-9)!]!", content):
        return answer
    content = without_denied(content)
    reading = read(content)
    return (reading if reading.starts else in_words(content, last=False)).answer


def _tag(text: str, marker: re.Match, last_digit: int) -> Reading | None:
    end = text.find("</answer>", marker.end(), marker.end() + 2 * ANSWER_LENGTH)
    content = text[marker.end() : end if end >= 0 else marker.end() + ANSWER_LENGTH].strip()
    return _moved(_begun(content, content), marker.end()) if content else None


def _letter(text: str, marker: re.Match, last_digit: int) -> Reading | None:
    line, start, _ = _line(text, marker.end())
    reading = read(line, bullets="\n" in text[marker.end() : start])
    return _moved(reading, start) if reading.starts else Reading(True, bare(text[marker.end() :]), len(text))


def _phrase(text: str, marker: re.Match, last_digit: int) -> Reading | None:
    line, start, _ = _line(text, marker.end())
    if start > last_digit and UNANSWERABLE not in line:
        return None
    denied = without_denied(line)
    reading = read(denied, bullets="\n" in text[marker.end() : start])
    if reading.starts:
        return None if asks(denied, reading.end) else _moved(reading, start)
    reading = in_words(denied, last=True)
    return _moved(reading, start) if reading.starts else None


def _after(text: str, marker: re.Match, last_digit: int) -> Reading | None:
    """`18 is the answer`, `18 eggs is the answer`."""
    sentence = text[max(0, marker.start() - 60) : marker.start()].rpartition("\n")[2]
    match = _ENDS_ON_NUMBER.search(sentence)
    if match is None:
        return None
    answer = bare(match[0])
    return None if answer is None else Reading(True, answer, marker.end())


_ENDS_ON_NUMBER = re.compile(rf"{FLAT_NUMBER}[*_$]*{UNITS}[*_$]*$")
_RULES: dict[str, Callable[[str, re.Match, int], Reading | None]] = {
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
    """The line at `start`, or the next one that is not blank: at most `ANSWER_LENGTH` characters, its start and end."""
    window = text[start : start + ANSWER_LENGTH]
    blank = len(window) - len(window.lstrip())
    line = window[blank:].partition("\n")[0]
    return line, start + blank, start + blank + len(line)


def _corrected(text: str, reading: Reading) -> str | None:
    """The reading's answer, or the one that a correction right after it puts in its place."""
    end = _SENTENCE_END.search(text, reading.end, reading.end + ANSWER_LENGTH)
    for start in (reading.end, end.end()) if end else (reading.end,):
        if match := _REPLACED.match(text, start, start + ANSWER_LENGTH):
            return canonical(re.sub(r"[*_]", "", match["number"]))
        if match := _WITHDRAWN.match(text, start, start + ANSWER_LENGTH):
            return bare(text[match.end() :])
    return reading.answer


def _braced(text: str, start: int) -> tuple[str | None, int]:
    """What stands before the brace that closes the one before `start`, and where it closes; None if it is not near."""
    depth, end = 1, min(len(text), start + ANSWER_LENGTH)
    if text.find("}", start, end) < 0:
        return None, end
    for position in range(start, end):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if not depth:
            return text[start:position].strip(), position + 1
    return None, end


def _program(response: str) -> str:
    """The program in a response: without Markdown fences, and without what follows once it turns to another problem.

    Of several fenced programs the last one counts, up to such a turn. What precedes `</think>` is no solution, where a
    program follows.
    """
    _, _, solution = response.rpartition("</think>")
    if _DEFINITION in solution:
        response = solution
    response = response.replace("\r\n", "\n")
    found = None
    for fence in _FENCE.finditer(response):
        if _DEFINITION not in fence["code"]:
            continue
        if not found and _DEFINITION in (head := response[: fence.start()]) and (first := _first_program(head)) != head:
            return first
        if found and _CUE.search(response, found.end(), fence.start()):
            break
        found = fence
    return _first_program(dedent(found["code"]) if found else response)


def _first_program(text: str) -> str:
    """The text up to where, after the function has returned, a line at the margin turns to another problem.

    A comment does so only if the next line of code is at the margin too: else it is inside of the function.
    """
    begun = text.find(_DEFINITION)
    returned = _RETURN.search(text, begun) if begun >= 0 else None
    start = returned.end() if returned else len(text)
    while end := _PROGRAM_END.search(text, start):
        code = _CODE_LINE.search(text, end.end()) if end[0][0] == "#" else None
        if end[0][0] not in " \t" and not (code and code[0][0] in " \t"):
            return text[: end.start()]
        start = code.start() if code else end.end()
    return text
