r"""The answer that a piece of text states: `read` at its beginning (a marker's sentence), `bare` at its end (text
without a marker). The markers are in `gavel.solutions.verifier`, whose docstring has the rules."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from gavel.solutions._latex import latex_number
from gavel.solutions.numbers import (
    COMPOUND,
    CURRENCY,
    LETTER,
    NUMBER,
    NUMBER_WORDS,
    UNANSWERABLE,
    canonical,
    fraction,
    match_text,
    words_value,
)

# Characters read from what follows a marker. The answer is at its beginning; the bound keeps the work linear for
# adversarial text.
ANSWER_LENGTH = 200

FLAT_NUMBER = re.sub(r"[?]P<[a-z_]+>", "?:", NUMBER.pattern)  # for use inside other patterns
# Up to two words (`apples daily`) that belong to the preceding number.
UNITS = rf"(?:%|°|[ ]?[$€£])?(?:[ ]?(?!and\b|or\b|to\b|x[ ]?[0-9])[{LETTER}]+(?:\^?[0-9])?\b){{0,2}}"

# The same inside a computation, where a unit is none of the words that turn to something else.
_TURNS = (
    "because|since|as|if|when|where|for|with|using|by|from|so|after|at|given|and|or|to|in|of|thanks|considering|seeing"
    "|is|which|that|but|while|plus|minus|times|divided|multiplied|equals|makes|making|gives|giving|comes|resulting"
    "|namely|x|X"
)
_OPERAND_UNITS = rf"(?:%|°|[ ]?[$€£])?(?:[ ]?(?:/[ ]?)?(?!(?:{_TURNS})\b)[{LETTER}]+\b){{0,4}}(?:\*\*|_)?"

_NONE = re.compile(r"[\s*_:=\"'`(\[$\\]*(?:(?:text|mathrm)[ ]?\{)?None[\s.*_\"'`)\]}$\\]*")
_LEAD = re.compile(
    r"[\s*_:=~≈\"'`>]*"
    r"(?:(?:about|approximately|roughly|exactly|equal to|just|simply|only|probably|maybe|likely|still)[ ])?[*_\"'`]*",
    re.IGNORECASE,
)

# `$...$` by Pandoc's rule, so that "$5 and $10" is not a formula; `$$...$$`, `\(...\)` and `\[...\]`.
_MATH = (
    r"\$\$(?P<display>[^$]{1,400}?)\$\$"
    r"|\$(?=\S)(?P<inline>[^$\n]{0,200}?(?:[^$\s]|[}]\ ))\$(?![0-9])"
    r"|\\\((?P<round>[^\n]{1,400}?)\\\)"
    r"|\\\[(?P<square>(?s:.){1,400}?)\\\]"
)
_MATH_HERE = re.compile(_MATH)
# A formula without delimiters: commands, numbers and signs.
_COMMAND = (
    r"(?:\\(?!(?:boxed|fbox|text|mathrm|mbox|[()\[\]])(?![a-z]))[A-Za-z]+"
    rf"|(?<![{LETTER}\\])(?:sqrt|gcd|lcm|max|min|log|ln)(?=\())"
)
_INSIDE = (
    rf"(?:\\(?:text|mathrm|mbox|operatorname)[ ]?\{{[^{{}}\n]{{0,40}}\}}|{_COMMAND}|\\[,;:!%]"
    r"|[-0-9.,+*/^!(){}\[\]|%_ ]|[xX](?=[ ]?[0-9\\]))"
)
_RUN = re.compile(rf"(?:-?{CURRENCY}[ ]?)?{_INSIDE}{{1,{ANSWER_LENGTH}}}")
_STARTS_FORMULA = re.compile(rf"[-( ]{{0,4}}{_COMMAND}")
_GOES_ON_AS_FORMULA = re.compile(
    rf"[ ]?(?:{_COMMAND}|\^)|_(?:[0-9]|\{{[0-9])|\.\\(?:overline|bar|dot)"
    # A factorial, not an exclamation: `5! = 120`, `6!/(3!3!)`, `(5!)/2`, `5! ways = 120`, `5!, which is 120`.
    r"|!(?:[ ]?[=≈^]|[ ]?[-+*/×÷·⋅][ ]?[0-9(\\]|[0-9(]|\)[ ]?[-+*/×÷·⋅=]|(?:[ ][a-z]+){1,3}[ ]?="
    r"|,?[ ](?:which|that)[ ](?:is|equals|makes|gives|comes)\b|,[ ](?:or|so|i\.e\.|namely|giving|making)[ ,]+[0-9]"
    rf"|[ ](?:is|equals|makes|gives)[ ][0-9])|[ ]?[*×·/][ ]?{_COMMAND}"
)

_COUNTS = re.compile(rf"{FLAT_NUMBER}|\\[dt]?frac|\\sqrt|\\pi")  # makes a formula a quantity, not just a name

_TOKEN = re.compile(rf"(?P<math>{_MATH})|(?P<command>{_COMMAND})|{NUMBER.pattern}|(?P<compound>{COMPOUND.pattern})")

# Follows a number that is only the first operand of a computation: `10+John's age`, `5 * 3`, `5-6`, `5 times 3`.
_UNFINISHED = re.compile(
    r"[*_]*[ ]?(?:[+×÷^][ ]?[\w({\\$]|\*[ ]?[$€£]?[0-9]|\*\*[0-9]|\*\(|[-/][ ]?[$€£]?[0-9(]|x[ ]?[0-9(]"
    r"|\\(?:pi|times|cdot|div|sqrt|pm|mp)|(?:plus|minus|times|multiplied by|divided by)[ ][$€£]?[0-9(])"
    r"|\([0-9]+\)|%?[ ]of[ ][$€£]?[0-9]|[ ](?:squared|cubed|factorial)\b"
    r"|(?:[ ][-*]|[ ]?[+×÷/=])[ ]*$"
)
# Follows a number but is not a unit: `5x`, `5k`. A suffix such as k or M may or may not mean thousands or millions.
_VARIABLE = re.compile(rf"(?:[ ]?[xyznk]|[abijqruvwKMB]|bn|mn)(?![{LETTER}0-9'])")
_SECOND = re.compile(
    rf"(?:{UNITS}(?:[ ]?,?[ ]?\(?(?:and|or|&)[ ]|[ ]?[,;][ ]?|[ ]to[ ]|[ ]?[-/:][ ])|(?:[ ]?[{LETTER}]+)?[ ]+)"
    rf"(?:(?:maybe|perhaps|possibly|even)[ ])?[*_\\(]*(?P<other>{FLAT_NUMBER})[*_]*{UNITS}[ ]*"
    r"(?:!(?!\))|[.;,\"')\]}$&]|\\[)\]]|and\b|or\b|$)"
)
# Where the sentence turns from the answer to its reason.
_REASON = re.compile(
    r"[,;]?[ ]?\b(?:because|since|as[ ](?!many|much|well)|if|when|where|given|so|but|while|due[ ]to|for[ ]the[ ]reason)"
    r"\b"
    r"|[;?\n]|:[ ]|[ ]\((?!or\b)|</answer>",
    re.IGNORECASE,
)
_BECAUSE = re.compile(r"\b(?:because|since|due to)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<!i\.e)(?<!e\.g)[.!?](?=[\s\"'*_)$\\]|$)")
# The rest of a computation after its first number, with units: ` boxes * 3 apples`, `% of 50`.
_OPERATIONS = re.compile(
    rf"{_OPERAND_UNITS}(?:[ ]?(?:[-+×÷*/·⋅xX]|\\times|\\cdot|\\div|(?:plus|minus|times|of|multiplied by|divided by)\b)"
    rf"[ ]?[*_(\[]*{FLAT_NUMBER}(?:!(?=[ ]?[-+*/×÷=≈)]))?[)\]]*{_OPERAND_UNITS})*[)_]*"
)
_RESULT = re.compile(
    r"(?:,?[ ](?:which|that|so|so it|so that)?[ ]?(?:is equal to|is|equals|makes|gives|comes to|or)"
    r"|,?[ ](?:or|so|giving|making|yielding|leaving|resulting in|for a total of|namely|i\.e\.)),?[ ]+"
)
# The rest of a product after its first number: ` groups of 4 apples`, ` boxes * 4`.
_PRODUCT = re.compile(
    rf"{_OPERAND_UNITS}[ ]?(?:[×*·⋅xX]|\\times|\\cdot|(?:of|times|multiplied by)\b)[ ]?[*_(]*(?P<factor>{FLAT_NUMBER})"
    rf"[)*_]*{_OPERAND_UNITS}"
)
# The same later in the sentence, after `5 more than 10` or `the sum of 4 and 5`.
_GIVES = re.compile(
    r"(?:,|;|[ ]-)?[ ](?:which|that|this|so[ ](?:it|that|this))[ ](?:is equal to|is|equals|makes|gives|comes to)\b,?[ ]"
    r"|,[ ](?:so|or|i\.e\.|namely|giving|making|yielding|leaving|resulting in|that is|for a total of),?[ ]|[ ]?[=≈]"
)
# A number that is compared with another is not a result: `5 more than 10`, `3 times as many`.
_COMPARES = re.compile(
    rf"(?:%|[ ]percent\b)?(?:[ ](?!(?:{_TURNS}|er)\b)[a-z]+){{0,3}}?[ ](?:more|less|fewer|[a-z]{{3,12}}er)\b"
    rf"(?:[ ](?!(?:{_TURNS}|than)\b)[a-z]+){{0,3}}?[ ]than\b(?P<other>[ ](?:the[ ])?(?={FLAT_NUMBER}))?"
    r"|[ ]times[ ](?:as|more|that|this|the)\b|[ ](?:halved|doubled|tripled|squared|cubed)\b"
    r"|(?:[ ][a-z]+)?[ ](?:(?:in|de)creased|reduced|raised|lowered|added|subtracted|taken)[ ](?:by|to|from)\b",
    re.IGNORECASE,
)
# Words that make the number after them an operand: `twice 15`, `half of 84`, `the square root of 16`.
_OPERATES = (
    r"(?:\b(?:twice|thrice|double|triple|half|sqrt|(?:thirds?|quarters?|fourths?|fifths?|sixths?|eighths?|tenths?)[ ]of"
    r"|(?:square|cube|root|factorial|multiple|fraction|percent|opposite|reciprocal|inverse)[ ]of)(?:[ ](?:of|the))*[ ]"
    r"|(?<![a-zA-Z])(?:[a-zA-Z]|abs|floor|ceil|round|int|cbrt|root|sin|cos|tan|exp|fact|factorial)\(|±[ ]?"
    r"|\\[pm]{2}[ ]*)"
    r"[$€£]?$"
)
_OPERAND_WORDS = re.compile(_OPERATES, re.IGNORECASE)
_COMBINES = re.compile(r"\b(?:sum|difference|product|quotient|average|mean)\b[^0-9.;,=]{0,30}$", re.IGNORECASE)

# A refusal to answer.
_CANNOT = (
    r"(?:cannot|can't|can[ ]not|could[ ]not|couldn't|do[ ]not|don't"
    r"|(?:am|'m|are|'re|is|was|were|be)[ ](?:unable|not[ ]able)[ ]to)"
)
_SOLVE = (
    r"(?:answer|determine|solve|calculate|compute|tell|know|find|help|say|work[ ]out|figure[ ]out|provide|conclude"
    r"|assist|deduce|infer|be[ ](?:sure|certain))"
)
_REFUSES = re.compile(
    rf"\b(?:i|we|you|one|nobody)(?:[ ](?:really|simply|just|still|therefore"
    rf"|also))?[ ]?{_CANNOT}[ ](?:\w+ly[ ])?{_SOLVE}\b"
    r"|\b(?:cannot|can't|can[ ]not|could[ ]not|couldn't)[ ]be[ ](?:\w+ly[ ])?"
    r"(?:answered|determined|solved|calculated|computed|found|known|deduced|inferred|worked[ ]out|figured[ ]out)\b"
    rf"|\b(?:impossible|not[ ]possible|no[ ]way|unable|not[ ]able)[ ](?:for[ ]\w+[ ])?(?:of[ ]\w+ing|to[ ]{_SOLVE})\b"
    r"|(?:\b(?:not|no)|n't)[ ](?:\w+[ ]){0,3}?(?:enough|sufficient|adequate)[ ](?:\w+[ ]){0,2}?"
    r"(?:information|info|data|details?|context|facts|to[ ](?:answer|determine|solve|tell|know|decide|calculate))\b"
    r"|\b(?:insufficient|inadequate|incomplete|missing|too[ ]little|lack[ ]of|lacks|lacking)[ ](?:\w+[ ]){0,2}?"
    r"(?:information|info|data|details?|context)\b|\b(?:information|info|data)(?:[ ]\w+){0,3}?[ ](?:is|are)[ ]"
    r"(?:not[ ](?:enough|sufficient|given"
    r"|provided)|insufficient|inadequate|incomplete|missing|lacking)\b"
    r"|\b(?:question|problem|text|statement|story|exercise)[ ]d(?:oes|id)(?:n't|[ ]not)[ ](?:\w+ly[ ])?"
    r"(?:say|state|tell|give|specify|provide|mention|contain|include|indicate|reveal)\b"
    r"|\b(?:answer|result|number|value|total|amount|price|cost)[ ](?:is|remains)[ ](?:unknown|undetermined"
    r"|indeterminate"
    r"|undefined|unclear|impossible|not[ ](?:given|known|stated|specified|provided|determinable))\b"
    r"|\bneeds?[ ](?:more|further|additional)[ ](?:information|info|data|details?)\b|\b(?:unanswerable|unsolvable)\b"
    r"|\bi[ ](?:have[ ]no[ ]idea|refuse|(?:must|have[ ]to)[ ]decline)\b",
    re.IGNORECASE,
)
# A result after all: `we cannot know x yet, but 3 + 4 = 7`.
_RESULTS = re.compile(
    r"[=≈][ ]*[*_$€£(\\-]*[0-9]|^[ \t$*_]*+-?[0-9][0-9.,]*+[ \t*_]*$"
    r"|\b(?:so(?![ ]far)|therefore|thus|hence|altogether|in[ ]total)\b[^\n?.]{0,80}[0-9]",
    re.MULTILINE | re.IGNORECASE,
)
# `none of the above` is not a number.
_NONE_OF = re.compile(r"\W{0,10}(?:none|neither|not[ ]any|no[ ]one)[ ](?:of\b|option\b)", re.IGNORECASE)
_WORDS_HERE = re.compile(
    rf"(?P<words>{NUMBER_WORDS})(?P<unit>[*_\"'`)]*(?:[ ](?!and\b|or\b|to\b|of\b|than\b|must\b|can\b|should\b"
    rf"|that\b|which\b)"
    rf"[{LETTER}]+){{0,2}})(?=[*_\"'`)\]]*[ ]?(?:[.,;:!\n(<]|$))",
    re.IGNORECASE,
)
_EQUALS = re.compile(r"[ ]*(?:[=≈]|\\approx)")

_NEGATIVE = r"(?:negative[ ]|minus[ ]|-[ ]{0,3})"
_SIGNED = re.compile(rf"(?P<outer>{_NEGATIVE})?(?P<open>\([ ]?)?(?P<inside>{_NEGATIVE})?", re.IGNORECASE)
_SIGN_BEFORE = re.compile(
    r"(?:\bnegative[ ]|(?:=|\bis|:|\()[ ]*(?:minus[ ]|-[ ])|^minus[ ]|^-[ ]|(?:^|=|\bis|:)[ ]*-[ ]?\([ ]?)$",
    re.IGNORECASE,
)

_WRONG = (
    r"(?:wrong|incorrect|false|a[ ]mistake|not[ ](?:right|correct|true)"
    r"|too[ ](?:many|much|few|little|high|low|large|small|big))"
)
# Numbers that the text negates or calls wrong: `not 10`, `isn't $10`, `rather than 10`, `10 is wrong`.
_DENIED = re.compile(
    r"(?:\b(?:not|never|cannot be|rather than|instead of|anything but|other than|no longer|rules? out"
    r"|(?:wrong|incorrect|a mistake) to (?:say|think|answer|write))"
    r"|n't(?: possibly)?(?: be)?)[ ](?:equal to |exactly |be )?[*_$\\]*"
    rf"{FLAT_NUMBER}|{FLAT_NUMBER}[*_$]*{UNITS},?[ ](?:which[ ])?(?:is|was)(?:[ ]{_WRONG}|n't[ ](?:right|correct|the)"
    r"|[ ]not[ ](?:the|an?)\b|[ ]the[ ]wrong\b)",
    re.IGNORECASE,
)
_HEDGE = re.compile(r"\b(?:either|between|(?:any|one) of)\b[^.]*\b(?:or|and)\b|\bfrom\b[^.]*\bto\b", re.IGNORECASE)

# A bound is not an answer.
_BOUND = re.compile(
    r"(?:(?:more|less|greater|fewer|higher|lower) than|at (?:least|most)|up to|over|under) ", re.IGNORECASE
)

# Words at the beginning of a heading or a numbered step, whose numbers are not answers.
PARTS = "Step|Part|Case|Problem|Question|Example|Method|Section|Phase|Stage|Equation|Solution|Explanation|Note|Option"
_STEP = re.compile(rf"\b(?:{PARTS})s?[ ]\#?\(?[0-9]+(?:\.[0-9]+)*\)?(?![0-9%])(?:[.:)](?=\s))?", re.IGNORECASE)
_ITEM = re.compile(r"^[ \t]*+[*_#]*+[ \t]*+[0-9]{1,2}[.)](?=[ \t]+[^\s])", re.MULTILINE)
_QUESTION = re.compile(
    r"\b(?:how (?:many|much|long|far|old|often|tall)|what (?:is|was|are|will|would|fraction|percent\w*|number)|find)\b"
    r"[^.!?\n]{0,300}\?",
    re.IGNORECASE,
)
_TASK = re.compile(
    r"(?:^|[.!?]\s{1,5})(?:Find|Calculate|Compute|Determine)\b[^.!?\n]{0,300}[.?]\s*$"
    r"|\bhow many\b[^.!?:=\n]{0,300}[.?]?\s*$"
)
_ASKS = re.compile(r"[^.!?\n]{0,200}\?")
_BREAKS_OFF = re.compile(r"(?:[\s_$]*(?:[+×÷=/-]|\\(?:times|cdot|div|frac))|\s+\*)[\s$({\\]*$")
_OPERAND_BEFORE = re.compile(
    r"[0-9)%][ ]?(?:[+×÷*/]|[ ]-[ ])[ ]?[$€£(]*$|[0-9)%][ ]-[ ][$€£(]*$|[0-9)][ ](?:plus|minus|times|x)[ ]$"
    r"|(?<![A-Za-z])[a-zA-Z][ ]?[+×÷*/-][ ]?$|\b(?:plus|times)[ ]$"
    r"|\b(?:multiply|divide|add|subtract)\b[^.=\n]*[ ](?:by|and|from|to)[ ]$"
    # An unsolved equation: `2x + 3 = `, `3 + x = `.
    r"|(?<![A-Za-z0-9.])[0-9.]*[xyzn][ ]?[+-][ ]?[0-9.]+[ ]?=[ ]?[$]?$|[0-9][ ]?[+-][ ]?[0-9]*[xyzn][ ]?=[ ]?[$]?$"
)
_LIST_BEFORE = re.compile(
    r"[0-9%][*_$]*(?:[,;][ ](?:and[ ]|or[ ])?|[ ](?:and|or|to|&)[ ]|[ ])[*_$]*$"
    r"|[0-9],?[ ](?:and|or)[ ][a-z][ ]?=[ ]?$"
    r"|(?:^|\n)[-0-9.,$ ]{1,12}\n[-0-9.,$ ]{1,12}\n[-* ]*$"
)
_BOUND_BEFORE = re.compile(
    r"(?:[\w)] [<>≤≥]=?|\b(?:more|less|greater|fewer|higher|lower) than|\bbetween) ?[$€£]?$",
    re.IGNORECASE,
)


# Nouns, besides `PARTS`, that are numbered in headings.
_NAMED = (
    "Day|Week|Month|Year|Hour|Minute|Quarter|Season|Semester|Period|Round|Person|Player|Child|Student|Worker|Team|Group"
    "|Class|Scenario|Chapter|Lesson|Unit|Module|Page|Trip|Item|Batch|Lap|Level|Set|Trial|Attempt|Approach|Alternative"
    "|Strategy|Task|Exercise|Row|Table|Figure|Box|Room|Car|Bus|Train|House|Store|Shop|Game|Point|Fact|Condition"
    "|Scene|Act|Iteration|Version|Session|Shift|Visit|Purchase|Order|Payment|Interval|Segment|Leg|Stop|Type|Plan"
)
_NUMERAL = r"(?:[0-9]{1,4}|[A-Z]|[IVX]{1,4}|one|two|three|four|five|six|seven|eight|nine|ten)"
_LABELLED = re.compile(rf"[^\w$€£\\]*(?:{PARTS}|{_NAMED})s?[ ]\#?\(?{_NUMERAL}\)?[ ]*(?:$|[-:.)(—,])", re.IGNORECASE)
_ONLY_NUMBER = re.compile(rf"[^\w]*{FLAT_NUMBER}[^\w]*")
_ORDINAL = re.compile(
    r"\W*[0-9]{1,4}(?:(?:st|nd|rd|th)\b|[ ][a-z]+[ ](?:later|earlier|ago|before|after)\W*$)", re.IGNORECASE
)
_STATES = re.compile(
    r"[:=≈>][ ]*\W*$|\b(?:is|are|was|were|be|equals?|has|have|had|gets?|got|makes?|made|costs|(?<=\w[ ])cost"
    r"|needs?|needed|pays?|paid"
    r"|earns?|earned|spends?|spent|left|leaves|becomes|remains?|saves?|saved|takes?|took|sells?|sold|eats?|ate|uses?"
    r"|used|buys|bought|gives?|gave|will|can|must|should|reads?|receives?|travels?|lasts?)\b"
    r"|^\W*(?:so|thus|hence|therefore|total|sum|result|altogether|in total|answer|final answer)\b,?(?:[ ](?!for\b|of\b"
    r"|after\b|in\b|per\b)[a-z]+){0,2}[ ]\W*$",
    re.IGNORECASE,
)
_STATED = re.compile(rf"(?:\b(?:is|are|equals|was)[ ]|[=:][ ]?)[*_$(\\]*(?={FLAT_NUMBER})")
_HEADING = re.compile(r"^[ \t]*(?:(#)\#{0,5}[ \t]|\*\*(?=[^*\n]{1,100}\*\*[ \t]*$))([^\n]{1,200})$", re.MULTILINE)


class Reading(NamedTuple):
    """What a statement answers: whether it begins with a number (or formula, or None), which answer that is, and
    where it ends. `answer` is None if the statement begins with something other than a single number."""

    starts: bool
    answer: str | None
    end: int


class _Element(NamedTuple):
    """A number or formula: its canonical text (None if it has no value), its end, and whether it is a formula."""

    answer: str | None
    end: int
    formula: bool = False


def read(statement: str, bullets: bool = False) -> Reading:
    """The answer at the beginning of a statement (at most `ANSWER_LENGTH` characters of it).

    Args:
        statement: what follows a marker. A number in words counts only if nothing but a unit follows it.
        bullets: whether a dash and a space at the beginning are a list's bullet, not a sign.
    """
    statement = statement[:ANSWER_LENGTH]
    if _NONE.fullmatch(statement.partition("</answer>")[0].partition("\n")[0]):
        return Reading(True, UNANSWERABLE, len(statement))
    if _NONE_OF.match(statement):
        return Reading(True, None, len(statement))
    start = _LEAD.match(statement).end()
    if bullets and statement.startswith("- ", start):
        start += 2
    first = _element(statement, start)
    if first is None:
        return Reading(False, None, start)
    return Reading(True, _result(statement, first), first.end)


def in_words(statement: str, last: bool) -> Reading:
    """The answer of a statement that begins with words: what follows the last `=`, else its last (or first) number."""
    statement = statement[:ANSWER_LENGTH]
    if _REFUSES.search(statement):
        return Reading(True, None, len(statement))
    if because := _BECAUSE.search(statement):
        statement = statement[: because.start()]
    tokens = list(_tokens(statement))
    if not tokens:
        return Reading(False, None, 0)
    before = statement[: tokens[0].start()]
    if (operates := _OPERAND_WORDS.search(before)) or _COMBINES.search(before):
        if (result := _given(statement, tokens[0].end())) or operates:
            return Reading(True, result and _alone(statement, result), result.end if result else tokens[0].end())
    statement = statement[: _statement_end(statement, tokens[0].end())]
    tokens = [token for token in tokens if token.end() <= len(statement)]
    if _HEDGE.search(statement) or _BOUND.match(statement.lstrip(" :*_")):
        return Reading(True, None, len(statement))
    for equals in reversed(list(_EQUALS.finditer(statement))):
        reading = read(statement[equals.end() :])
        if reading.starts:
            return Reading(True, reading.answer, equals.end() + reading.end)
    stated = _STATED.search(statement)
    token = (
        tokens[-1] if last else next((token for token in tokens if stated and token.start() >= stated.end()), tokens[0])
    )
    if last and any(
        pattern.search(statement[: token.start()]) for pattern in (_LIST_BEFORE, _OPERAND_BEFORE, _OPERAND_WORDS)
    ):
        return Reading(True, None, token.end())
    element = _of_token(statement, token)
    return Reading(True, _alone(statement, element), element.end)


def bare(text: str) -> str | None:
    """The last number or formula of a text, unless the text ends with something else (rule 4)."""
    if refuses(text):
        return None
    text = _STEP.sub(" ", without_denied(without_headings(text)))
    if len(_ITEM.findall(text)) > 1:
        text = _ITEM.sub(" ", text)
    token = None
    for token in _tokens(text):  # noqa: B007
        pass
    if token is None:
        return None
    element = _of_token(text, token)
    after, before = text[element.end :], text[max(0, token.start() - 40) : token.start()]
    asks = [match for match in _QUESTION.finditer(text, max(0, token.start() - 300)) if match.end() > token.end()]
    asks = asks or _TASK.search(text, max(0, token.end() - 300))
    if asks or _ASKS.match(after) or _BREAKS_OFF.match(after):
        return None
    if not element.formula and any(
        pattern.search(before) for pattern in (_OPERAND_BEFORE, _OPERAND_WORDS, _LIST_BEFORE, _BOUND_BEFORE)
    ):
        return None
    if _UNFINISHED.match(after) or _VARIABLE.match(after):
        return None
    return element.answer


def without_denied(text: str) -> str:
    """The text without the numbers that it negates or calls wrong (`not 10`, `10 is wrong`)."""
    return _DENIED.sub(" ", text)


def refuses(text: str) -> bool:
    """Whether the text refuses to answer and reaches no result after that."""
    last = None
    for last in _REFUSES.finditer(text):  # noqa: B007
        pass
    return last is not None and not _RESULTS.search(text, last.end())


def names(line: str, below: bool) -> bool:
    """Whether the line of a Markdown heading names what comes below, rather than stating a number.

    `Week 4` does, and so does a line with a colon or question mark at its end. If numbers follow below (`below`), so
    does a line with other words before its number (`Cost of 3 shirts`). A number at the beginning (`18 dollars`), or
    `=`, a colon or a verb before the number states it.
    """
    line = line.strip(" \t*_#")
    if _LABELLED.match(line) or (line.endswith(("?", ":")) and not _ONLY_NUMBER.fullmatch(line)):
        return True
    if not below:
        return False
    first = next(_tokens(line), None)
    if first is None or _ORDINAL.match(line):
        return True
    if _STATED.search(line) or _element(line, _LEAD.match(line).end()):
        return False
    return bool(re.search(f"[{LETTER}]", line[: first.start()])) and not _STATES.search(line[: first.start()])


def without_headings(text: str) -> str:
    """The text without the headings that only name something and contain a number (`### Week 4`)."""
    if "#" not in text and "**" not in text:
        return text
    last_digit = max(map(text.rfind, "0123456789"))

    def kept(match: re.Match[str]) -> str:
        below = match[1] == "#" and match.end() < last_digit
        return " " if re.search("[0-9]", match[2]) and names(match[2], below) else match[0]

    return _HEADING.sub(kept, text)


def value(formula: str) -> str | None:
    """Canonical text of a formula's value; a plain decimal stays a decimal, because it may be rounded."""
    number = latex_number(formula)
    return None if number is None else canonical(number)


def asks(text: str, end: int) -> bool:
    """Whether the sentence around a position ends with a question mark."""
    return bool(_ASKS.match(text, end))


def _element(text: str, start: int) -> _Element | None:
    """The number or formula at `start`; None if there is neither."""
    math = _MATH_HERE.match(text, start)
    if math:
        content = next(part for part in math.groups() if part is not None)
        answer = value(content)
        if answer is None and not re.search("[0-9]", content):
            return None  # `$x$`
        return _Element(answer, math.end(), formula=True)
    sign = _SIGNED.match(text, start)
    number = NUMBER.match(text, sign.end())
    if number is None and (words := _WORDS_HERE.match(text, sign.end())):
        amount = words_value(words["words"])
        if amount is not None:
            return _Element(canonical(-amount if sign["outer"] or sign["inside"] else amount), words.end("words"))
    if _STARTS_FORMULA.match(text, start) or (number and _GOES_ON_AS_FORMULA.match(text, number.end())):
        return _formula(text, start)
    if number is None:
        compound = COMPOUND.match(text, sign.end())
        return _Element(None, compound.end()) if compound else None
    answer, end = match_text(number), number.end()
    if answer is not None and bool(sign["outer"]) != bool(sign["inside"]):
        answer = canonical("-" + answer if not answer.startswith("-") else answer[1:])
    if sign["open"] and (closing := re.compile(r"[ ]?\)").match(text, end)):
        end = closing.end()
    return _Element(answer, end)


def _formula(text: str, start: int) -> _Element:
    run = _RUN.match(text, start)
    content = run[0].rstrip(" .,;:(-+*/[{")
    while content.count(")") > content.count("("):
        content = content[: content.rindex(")")].rstrip(" .,;:(-+*/[{")
    return _Element(value(content), start + len(content), formula=True)


def _statement_end(statement: str, start: int) -> int:
    """Where the sentence around `start` ends or turns to a reason."""
    ends = [
        match.start() for match in (_SENTENCE_END.search(statement, start), _REASON.search(statement, start)) if match
    ]
    return min(ends, default=len(statement))


def _result(statement: str, first: _Element) -> str | None:
    """The answer of a statement that begins with `first`: the result of the computation that starts there, if one does.

    A computation consists of numbers (and units) joined by operators, then `=` or `which is`. What comes after anything
    else (`41 because 6*7=42`) is not part of it.
    """
    compares = None if first.formula else _COMPARES.match(statement, first.end)
    if compares and (given := _given(statement, compares.end())):
        first = given
    elif compares and compares["other"] is not None:
        return None
    elif product := _product(statement, first):
        first = product
    result, element = (None, first) if _UNFINISHED.match(statement, first.end) and not first.formula else (first, first)
    while element:
        end = _OPERATIONS.match(statement, element.end).end()
        follows = _EQUALS.match(statement, end) or (
            _RESULT.match(statement, end) if result is None or result.answer is None else None
        )
        element = follows and _element(statement, _LEAD.match(statement, follows.end()).end())
        if element and not _UNFINISHED.match(statement, element.end) and not _restates(statement, element, result):
            result = element
    return _alone(statement, result) if result else None


def _restates(statement: str, element: _Element, result: _Element | None) -> bool:
    """Whether an element is the previous result written as a factorial: `24 = 4!`."""
    if result is None or not statement.startswith("!", element.end):
        return False
    return value(f"{element.answer}!") == result.answer


def _product(statement: str, first: _Element) -> _Element | None:
    """The result of a product that begins with `first`: the 12 of `3 groups of 4, which is 12`.

    A number that is not the product says something else, as in `3 eggs of 12, which is 25%`.
    """
    rest = None if first.formula else _PRODUCT.match(statement, first.end)
    gives = rest and _GIVES.match(statement, rest.end())
    element = gives and _element(statement, _LEAD.match(statement, gives.end()).end())
    factor = canonical(rest["factor"]) if rest else None
    if not element or element.answer is None or first.answer is None or factor is None:
        return None
    return element if canonical(fraction(first.answer) * fraction(factor)) == element.answer else None


def _given(statement: str, start: int) -> _Element | None:
    """The first number after `start` that its sentence presents as a result."""
    end = _SENTENCE_END.search(statement, start)
    for gives in _GIVES.finditer(statement, start, end.start() if end else len(statement)):
        if element := _element(statement, _LEAD.match(statement, gives.end()).end()):
            return element
    return None


def _alone(statement: str, element: _Element) -> str | None:
    """The element's answer, unless what follows makes it an operand, a variable's coefficient, or one of several
    numbers."""
    if _UNFINISHED.match(statement, element.end) or _VARIABLE.match(statement, element.end):
        return None
    return element.answer if _single(statement, element.answer, element.end) else None


def _single(statement: str, answer: str | None, end: int) -> bool:
    """Whether no other number follows as in a list or an alternative."""
    second = _SECOND.match(statement, end)
    return second is None or canonical(second["other"]) == answer


def _tokens(text: str) -> Iterator[re.Match[str]]:
    """Every number, formula and compound (3:45) of a text, without formulas that are not a quantity."""
    position = 0
    while match := _TOKEN.search(text, position):
        position = match.end()
        if match["math"]:
            if not _COUNTS.search(match["math"]):
                continue  # `$x$`, `$cm^2$`
        elif match["command"]:
            run = _RUN.match(text, match.start())
            position = max(position, run.end()) if run else position
            if not _COUNTS.search(run[0] if run else ""):
                continue
        elif not match["compound"] and _GOES_ON_AS_FORMULA.match(text, match.end()):
            position = max(position, _RUN.match(text, match.start()).end())
        yield match


def _of_token(text: str, token: re.Match[str]) -> _Element:
    if token["math"] or token["command"]:
        return _element(text, token.start()) or _Element(None, token.end(), formula=True)
    if token["compound"]:
        return _Element(None, token.end())
    if _GOES_ON_AS_FORMULA.match(text, token.end()):
        return _formula(text, token.start())
    answer = match_text(token)
    if answer is not None and not token["sign"] and not token["inner"]:
        if _SIGN_BEFORE.search(text, max(0, token.start() - 20), token.start()):
            answer = canonical("-" + answer)
    return _Element(answer, token.end())
