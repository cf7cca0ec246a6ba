"""A judge's scores alone, for tests of it."""


def scores_of(judge, questions, solutions):
    return [verdict.score for verdict in judge.verdicts(questions, solutions)]
