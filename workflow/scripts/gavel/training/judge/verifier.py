"""A verifier: a single-token judge trained on responses that are known to be right or wrong.

Cobbe et al. 2021 (arXiv 2110.14168, of which we have read the abstract) train a model to tell whether a solution is
correct, from a generator's samples. Here it learns to answer the judging prompt with the right label word, so that it
is a judge like any other.
"""

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gavel.common.errors import InputError
from gavel.judge import load
from gavel.judge.records import CheckedResponse
from gavel.judge.single_token import SingleTokenJudge
from gavel.stats.auc import auc_within
from gavel.stats.intervals import mean_interval


def load_single_token(settings: dict[str, Any]) -> SingleTokenJudge:
    """`gavel.judge.load.load` for a single-token judge; `simulated` settings, which no model learns, are left out.

    Raises:
        InputError: as there, or the judge is of another kind.
    """
    judge = load.load(**{key: value for key, value in settings.items() if key != "simulated"})
    if not isinstance(judge, SingleTokenJudge):
        raise InputError("judge.kind: only a single-token judge can become a verifier; set it to single-token")
    return judge


def verifier_examples(judge: SingleTokenJudge, rows: Sequence[CheckedResponse]) -> list[dict[str, str]]:
    """`{"prompt", "completion"}`: each response in the judge's first phrasing, and the label word for its verdict."""
    model = judge.in_process_backend
    return [
        {
            "prompt": model.apply_template(judge.render(row["question"], row["response"])[0]),
            "completion": judge.labels[not row["correct"]],
        }
        for row in rows
    ]


class AucWithin:
    """How well a judge ranks the responses to one question: the AUC within questions, as a group-relative algorithm
    sees it.

    Args:
        settings: keyword arguments of `gavel.judge.load.load`.
    """

    def __init__(self, settings: dict[str, Any], rows: Sequence[CheckedResponse]):
        self.judge = load_single_token(settings)
        self.rows = rows

    def __call__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, step: int) -> dict[str, float]:
        """The mean AUC as `greedy`, by which the best step is selected, its interval, and `n`, the questions.

        Raises:
            InputError: no question has both right and wrong responses.
        """
        training = model.training
        model.eval()  # neither dropout nor recomputed activations, which would lose the prompts' shared prefix
        self.judge = self.judge.with_model(model)  # its own model is no longer needed
        questions = [row["question"] for row in self.rows]
        verdicts = self.judge.verdicts(questions, [row["response"] for row in self.rows])
        model.train(training)
        probabilities = [verdict.probability or 0.0 for verdict in verdicts]  # a model in this process answers all
        aucs = auc_within(questions, probabilities, [row["correct"] for row in self.rows])
        if not aucs:
            raise InputError(
                "no validation question has both a right and a wrong response, so the verifier cannot be validated; "
                "raise judge.calibration_samples or data.validation"
            )
        low, high = mean_interval(aucs)
        return {"greedy": sum(aucs) / len(aucs), "greedy_low": low, "greedy_high": high, "n": len(aucs)}
