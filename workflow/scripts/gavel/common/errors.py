"""The exception for bad user input, as opposed to a bug in Gavel, and how errors are quoted."""

from gavel.common.redaction import redact


class InputError(ValueError):
    """Bad input from the user. The message is one line: what was found, where, and what to do.

    The command line prints it without a traceback and exits with status 2; a workflow script prints it as the last line
    of its log. Passwords and keys in it are redacted (`gavel.common.redaction`), since errors quote URLs.
    """

    def __init__(self, message: str):
        super().__init__(redact(message))


def first_line(error: Exception) -> str:
    """An error's type and the first line of its message, at most 300 characters, for a one-line message."""
    return redact(f"{type(error).__name__}: {str(error).strip()}".splitlines()[0])[:300]
