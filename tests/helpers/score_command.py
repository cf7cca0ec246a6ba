"""`gavel score` called in the process, for tests of it."""

from gavel.cli import main


def score(capsys, *arguments):
    status = main.main(["score", *arguments])
    out, err = capsys.readouterr()
    return status, out, err
