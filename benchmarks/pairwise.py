"""What a round robin asks of the judge's model: tokens computed, by what prompts share. Counts, the same every time.

Run by `make bench`. Tokens are those of the forward passes, padding included; weights are the shipped judge's, whose
answers do not matter here.

- in full: every prompt by itself;
- question: what prompts of a question have in common is computed once;
- first: as the pairwise judge does it, with the question and the first solution computed once for all opponents of that
  solution;
- single: the single-token judge on the same solutions;
- knockout: the best of the solutions by a knockout, as an evaluation plays it;
- both: that knockout, and a round robin that asks about the pairs which are left.
"""

import json
import random

from gavel.data.generator.problems import generate
from gavel.evaluation.best_of import choose
from gavel.judge import load
from gavel.models import prefixes
from gavel.solutions.mistakes import corrupt
from gavel.solutions.programs import to_program

QUESTIONS, SIZES = 4, (2, 4, 8, 16)
MODEL, LABELS = "resources/models/judge", (" Yes", " No")


def groups(size: int) -> tuple[list[str], list[str]]:
    """Questions, each as often as it has solutions, and distinct solutions."""
    rng, questions, solutions = random.Random(0), [], []
    for _, row in generate("main", QUESTIONS, 5, "bench"):
        found = {to_program(row["solution"], row["gold"], row["question"]): None}
        while len(found) < size:
            found[corrupt(rng.choice(list(found)), rng)] = None
        questions += [row["question"]] * size
        solutions += found
    return questions, solutions


def main() -> None:
    computed, extend = 0, prefixes.extend

    def counted(model, state, rows, pad):
        nonlocal computed
        computed += len(rows) * max(map(len, rows))
        return extend(model, state, rows, pad)

    prefixes.extend = counted
    whole, pairwise = (load.load(kind="pairwise", model=MODEL, labels=LABELS, reuse=reuse) for reuse in (False, True))
    by_question = load.load(kind="pairwise", model=MODEL, labels=LABELS)
    answers = by_question.answers
    by_question.answers = lambda texts, alike: answers(texts, [key[:2] for key in alike])
    judges = {"in full": whole, "question": by_question, "first": pairwise, "single": load.load(model=MODEL)}
    for size in SIZES:
        asked, counts = groups(size), {}
        for name, judge in judges.items():
            computed = 0
            judge.verdicts(*asked)
            counts[name] = computed
        questions = asked[0][::size]
        alternatives = [asked[1][begin : begin + size] for begin in range(0, len(asked[1]), size)]
        for name, ways in {"knockout": ["knockout"], "both": ["knockout", "score"]}.items():
            computed = 0
            choose(pairwise, questions, alternatives, ways)
            counts[name] = computed
        print(json.dumps({"solutions": size, "prompts": size * (size - 1)} | counts))


if __name__ == "__main__":
    main()
