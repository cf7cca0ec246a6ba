"""Load and fill prompt files, by a shipped name in `resources/prompts` (`solve`, `judge`, ...) or by path.

A solving prompt has the slot `{question}`. A judging prompt has `{question}` and `{solution}`, or `{first}` and
`{second}` for a pairwise judge, and may have `{labels}` ('Yes or No', in either order). The prompt of a judge that
reasons first ends at the slot `{reasoning}`; the text after the slot leads to the label. With a chat template, that
text is part of the model's reply. A prompt with the slot `{reference}`, for the gold answer, judges in the calibration
only.
Slots are replaced literally, so other braces (code, LaTeX) need no escaping.
"""

from pathlib import Path

from gavel.common.errors import InputError
from gavel.common.paths import PROMPTS


def find(name: str) -> Path:
    """The file of a prompt. Raises `InputError` if there is none."""
    try:
        path = next((place for place in (PROMPTS / f"{name}.txt", Path(name)) if place.is_file()), None)
    except OSError:  # the name is too long: probably the prompt's text
        path = None
    if path is None:
        shipped = ", ".join(sorted(p.stem for p in PROMPTS.glob("*.txt")))
        raise InputError(f"prompt {name[:80]!r} is neither a file nor one of the shipped prompts ({shipped})")
    return path


def load(name: str, slots: tuple[str, ...] = ("question",)) -> str:
    """Read a prompt by shipped name or path, and check that it has its slots.

    Raises:
        InputError: there is no such prompt, or it lacks a slot.
    """
    path = find(name)
    try:
        template = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text; convert the file to UTF-8") from None
    for slot in slots:
        if "{" + slot + "}" not in template:
            raise InputError(f"{path}: the prompt has no slot {{{slot}}}; it needs {', '.join(slots)}")
    return template


def fill(template: str, **values: str) -> str:
    """Fill a prompt's slots in one pass, so that text inside a value is never taken for a slot."""
    parts = [template]
    for slot, value in values.items():
        mark = "{" + slot + "}"
        parts = [p for part in parts for p in _split(part, mark, value)]
    return "".join(str(part) for part in parts)


class _Value(str):
    """Text from a value, in which no slots are filled."""


def _split(part: str, mark: str, value: str) -> list[str]:
    if isinstance(part, _Value):
        return [part]
    pieces = part.split(mark)
    joined = [pieces[0]]
    for piece in pieces[1:]:
        joined += [_Value(value), piece]
    return joined
