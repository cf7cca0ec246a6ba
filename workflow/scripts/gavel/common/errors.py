"""The one exception that means 'the input is wrong', as opposed to 'Gavel is wrong', and how errors are quoted."""

from gavel.common.redaction import redacted


class InputError(ValueError):
    """Bad input from the user: the message is one line that says what was found, where, and what to do.

    The command line prints it without a traceback and exits with status 2; a workflow script prints it as the
    last line of its log. Passwords and keys in it are hidden (`gavel.common.redaction`), since errors quote addresses.
    """

    def __init__(self, message: str):
        super().__init__(redacted(message))


def first_line(error: Exception) -> str:
    """An error's kind and the first line of what it says, for a message of one line."""
    return redacted(f"{type(error).__name__}: {str(error).strip()}".splitlines()[0])[:300]
