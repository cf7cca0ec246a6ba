"""The one exception that means 'the input is wrong', as opposed to 'Gavel is wrong'."""


class InputError(ValueError):
    """Bad input from the user: the message is one line that says what was found, where, and what to do.

    The command line prints it without a traceback and exits with status 2; a workflow script prints it as the
    last line of its log.
    """
