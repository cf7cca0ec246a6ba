"""Prompts are files: the name of one in `resources/prompts` (`solve`, `judge`, ...) or a path of your own.

A solving prompt has the slot `{question}`; a judging prompt has `{question}` and `{solution}`, or `{first}` and
`{second}` for a pairwise judge, and may have `{labels}` ('Yes or No', or in whichever order the words are asked for).
Of one that reasons first, what stands before the slot `{reasoning}` is the prompt, and what stands after it goes on to
the label; through a chat template the latter is part of the model's own reply.
Slots are replaced literally, so braces elsewhere (code, LaTeX) need no escaping.
"""

from pathlib import Path

from gavel.common.errors import InputError
from gavel.common.paths import PROMPTS


def find(name: str) -> Path:
    """The file of a prompt. Raises `InputError` where there is none."""
    try:
        path = next((place for place in (PROMPTS / f"{name}.txt", Path(name)) if place.is_file()), None)
    except OSError:  # too long a name, such as the prompt's own text
        path = None
    if path is None:
        shipped = ", ".join(sorted(p.stem for p in PROMPTS.glob("*.txt")))
        raise InputError(f"prompt {name[:80]!r} is neither a file nor one of the shipped prompts ({shipped})")
    return path


def load(name: str, slots: tuple[str, ...] = ("question",)) -> str:
    """Read a prompt by shipped name or path, and check that it has its slots.

    Raises:
        InputError: there is no such prompt, or a slot is missing from it.
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
    """Put values into a prompt's slots in one pass, so that text inside a value is never taken for a slot."""
    parts = [template]
    for slot, value in values.items():
        mark = "{" + slot + "}"
        parts = [p for part in parts for p in _split(part, mark, value)]
    return "".join(str(part) for part in parts)


class _Value(str):
    """Text that came from a value and holds no slots."""


def _split(part: str, mark: str, value: str) -> list[str]:
    if isinstance(part, _Value):
        return [part]
    pieces = part.split(mark)
    joined = [pieces[0]]
    for piece in pieces[1:]:
        joined += [_Value(value), piece]
    return joined
