"""`gavel score` called in the process, for tests of it."""

from gavel import cli


def score(capsys, *arguments):
    status = cli.main(["score", *arguments])
    out, err = capsys.readouterr()
    return status, out, err
