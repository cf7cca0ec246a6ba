"""Validation of a policy during training: the judge's reward against true correctness, on validation questions.

Labels of validation questions are read here and never reach a reward.
"""

import random
import statistics
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gavel.common.errors import InputError
from gavel.data.draw import in_drawn_order
from gavel.data.records import Record
from gavel.data.validation_samples import QUESTIONS, ValidationStore
from gavel.judge.verdict import Judge, Verdict
from gavel.models.limits import Limits
from gavel.models.policy import Policy
from gavel.models.sampling import Sample
from gavel.models.task import Task
from gavel.solutions.verifier import verify
from gavel.stats.intervals import wilson

# Responses for entropy and KL: their thousands of tokens give precise means; all would make validation a third slower.
MAX_ENTROPY_SAMPLES = 100
# (questions, responses, whether the judge accepts each, None where unknown) -> further columns.
Watch = Callable[[Sequence[str], Sequence[str], Sequence[bool | None]], dict[str, float]]


def known_verdicts(verdicts: Sequence[bool | None]) -> list[bool]:
    """The verdicts on responses that could be verified. Raises `InputError` if there are none."""
    verified = [verdict for verdict in verdicts if verdict is not None]
    if not verified:
        raise InputError(
            f"none of {len(verdicts)} programs ran within solution.batch_seconds; raise it, or rerun the same command "
            "on a less busy machine"
        )
    return verified


class Opponents(NamedTuple):
    """Responses that a pairwise judge compares others with, one for each question, with the verifier's verdicts."""

    texts: Sequence[str]
    right: Sequence[bool | None]


class Judged(NamedTuple):
    """What the judge said of a validation's responses.

    Attributes:
        columns: of the validation, on verified responses; empty if the judge gave no answer.
        scores: of each response; of a pairwise judge the win rate against the opponent; None where unknown.
        accepted: which responses the judge accepts; None where that is unknown.
    """

    columns: dict[str, float]
    scores: list[float | None]
    accepted: list[bool | None]


class Monitor:
    """Samples the policy once greedily and once at the training temperature for each validation question.

    Args:
        rows: validation records with gold answers.
        task: the policy's.
        judge: scores the sampled responses; None leaves out sampling and the judge's columns. A pairwise judge needs
            opponents (`set_opponents`).
        watch: further judges of the sampled responses (`gavel.training.rl.watchers.Watchers`); only beside a judge.
        reference: the policy at the start of training; None leaves out the divergence from it.
        temperature: of the sampled responses.
        seed: of sampling, the same at every validation.
        limits: of generation batches, `gavel.models.limits.limits`.
        store: keeps what was sampled for `QUESTIONS` of the questions; only beside a judge.
    """

    def __init__(
        self,
        rows: Sequence[Record],
        task: Task,
        *,
        judge: Judge | None = None,
        watch: Watch | None = None,
        reference: PreTrainedModel | None = None,
        temperature: float = 1.0,
        seed: int = 0,
        limits: Limits | None = None,
        store: ValidationStore | None = None,
    ):
        self.rows, self.store = rows, store
        self.questions = [row["question"] for row in rows]
        self.gold = [cast(str, row["gold"]) for row in rows]  # only unlabelled rows have none
        self.task, self.judge, self.watch, self.reference, self.limits = task, judge, watch, reference, limits or {}
        self.temperature, self.seed = temperature, seed
        self.opponents: Opponents | None = None

    def set_opponents(self, policy: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        """Have a pairwise judge compare every response with this policy's response to the same question.

        Both are sampled with the same random numbers, so a policy compared with itself gives equal responses, which
        tie.
        """
        one = Policy(policy, tokenizer, self.limits)
        groups = one.solve(self.questions, self.task, temperature=self.temperature, seed=self.seed)
        texts = [group[0].text for group in groups]
        _, right = verify(texts, self.gold, self.task.format, self.task.answer_type)
        self.opponents = Opponents(texts, right)

    def __call__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, step: int) -> dict[str, float]:
        """Validate the policy.

        Returns:
            `greedy` accuracy, with Wilson's 95 % interval as `greedy_low` and `greedy_high`, on `n` questions. With a
            judge also, on one sampled response for each question: `accuracy` (with its interval), `unparsable`,
            `length`, `entropy`, `kl`, `judge_tokens`. Unless the judge gave no answer, also `judge` (mean score), `gap`
            (`judge` minus `accuracy`) and `judge_wrong` (fraction that is incorrect but accepted by the judge).
            With a pairwise judge, `judge` is the win rate: how often the judge prefers the response to the opponent's.
            `true_win_rate` is how often the response is correct and the opponent's is not (ties count half in both),
            and `gap` is the difference of the two. `judge_wrong` is the fraction of questions on which the judge
            prefers an incorrect response to a correct one. `watch` adds its columns.
        """
        state = random.getstate()  # a judge or a control may draw from it, and a resumed run repeats no validation
        try:
            return self._validate(model, tokenizer, step)
        finally:
            random.setstate(state)

    def _validate(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, step: int) -> dict[str, float]:
        policy = Policy(model, tokenizer, self.limits)
        sampling: dict[str, Any] = {} if self.judge is None else {"temperature": self.temperature, "greedy": True}
        responses = policy.solve(self.questions, self.task, **sampling, seed=self.seed)
        _, verdicts = verify([group[0].text for group in responses], self.gold, self.task.format, self.task.answer_type)
        right = known_verdicts(verdicts)
        low, high = wilson(sum(right), len(right))
        found = {"greedy": sum(right) / len(right), "greedy_low": low, "greedy_high": high, "n": len(right)}
        if self.judge is None:
            return found
        sampled = [group[1] for group in responses]
        texts = [s.text for s in sampled]
        answers, verdicts = verify(texts, self.gold, self.task.format, self.task.answer_type)
        before = self.judge.usage
        judged = self._judged(self.judge, texts, verdicts)
        if self.store is not None:
            self._keep(self.store, step, sampled, judged.scores, verdicts)
        right = known_verdicts(verdicts)
        n = len(right)
        low, high = wilson(sum(right), n)
        found |= {
            "accuracy": sum(right) / n,
            "accuracy_low": low,
            "accuracy_high": high,
            "unparsable": (sum(answer is None for answer in answers) - verdicts.count(None)) / n,
            "length": statistics.fmean(len(s.ids) for s in sampled),
            "judge_tokens": self.judge.usage.since(before).tokens,
        }
        read = self.task.encode(self.task.prompts(self.questions[:MAX_ENTROPY_SAMPLES], tokenizer), tokenizer)
        written = [s.ids for s in sampled[:MAX_ENTROPY_SAMPLES]]
        found["entropy"], kl = entropy_and_kl(model, self.reference, read, written, pad=tokenizer.pad_token_id)
        if kl is not None:
            found["kl"] = kl
        if columns := judged.columns:
            found |= columns | {"gap": columns["judge"] - columns.get("true_win_rate", found["accuracy"])}
        if self.watch is not None:
            found |= self.watch(self.questions, texts, judged.accepted)
        return found

    def _keep(
        self,
        store: ValidationStore,
        step: int,
        sampled: Sequence[Sample],
        scores: Sequence[float | None],
        right: Sequence[bool | None],
    ) -> None:
        places = {row["id"]: place for place, row in enumerate(self.rows)}
        ids = in_drawn_order(places)[:QUESTIONS]
        kept = [places[one] for one in ids]
        columns: dict[str, list[Any]] = {
            "id": ids,
            "response": [sampled[place].text for place in kept],
            "tokens": [len(sampled[place].ids) for place in kept],
            "finished": [sampled[place].finished for place in kept],
            "judge": [scores[place] for place in kept],
            "correct": [right[place] for place in kept],
        }
        store.write(step, columns)

    def _judged(self, judge: Judge, texts: Sequence[str], right: Sequence[bool | None]) -> Judged:
        if self.opponents is not None:
            return self._compared(judge, texts, right, self.opponents)
        verdicts = judge.verdicts(self.questions, texts)
        accepted = [None if verdict.score is None else verdict.says_right for verdict in verdicts]
        return Judged(_scored(verdicts, right), [verdict.score for verdict in verdicts], accepted)

    def _compared(
        self, judge: Judge, texts: Sequence[str], right: Sequence[bool | None], opponents: Opponents
    ) -> Judged:
        """What a pairwise judge said, from groups of two."""
        questions = [question for question in self.questions for _ in range(2)]
        both = [text for pair in zip(texts, opponents.texts, strict=True) for text in pair]
        won = [verdict.probability for verdict in judge.verdicts(questions, both)[::2]]
        asked = [
            (rate, ok, other)
            for rate, ok, other in zip(won, right, opponents.right, strict=True)
            if rate is not None and ok is not None and other is not None
        ]
        columns = (
            {}
            if not asked
            else {
                "judge": statistics.fmean((rate > 0.5) + 0.5 * (rate == 0.5) for rate, _, _ in asked),
                "true_win_rate": statistics.fmean((1 + ok - other) / 2 for _, ok, other in asked),
                "judge_wrong": statistics.fmean(rate > 0.5 and other and not ok for rate, ok, other in asked),
            }
        )
        return Judged(columns, won, [None] * len(texts))


def _scored(verdicts: Sequence[Verdict], right: Sequence[bool | None]) -> dict[str, float]:
    """A pointwise judge's columns, on verified responses; empty if it gave no answer."""
    asked = [
        (verdict.score, bool(verdict.says_right), ok)
        for verdict, ok in zip(verdicts, right, strict=True)
        if verdict.score is not None and ok is not None
    ]
    if not asked:
        return {}
    return {
        "judge": statistics.fmean(score for score, _, _ in asked),
        "judge_wrong": statistics.fmean(says_right and not ok for _, says_right, ok in asked),
    }


@torch.inference_mode()
def entropy_and_kl(
    policy: PreTrainedModel,
    reference: PreTrainedModel | None,
    prompts: Sequence[Sequence[int]],
    completions: Sequence[Sequence[int]],
    *,
    pad: int,
    rows: int = 32,
) -> tuple[float, float | None]:
    """Means over the tokens of completions, in nats per token.

    Args:
        reference: the policy at the start of training; None leaves out the divergence.
        prompts, completions: N lists of token ids; a prompt has at least one.
        rows: sequences per forward pass (each token takes float32 values for the full vocabulary).

    Returns:
        entropy, and KL(policy || reference), summed over the full vocabulary at every token that the policy wrote (not
        estimated from its samples).
    """
    entropy, kl, count = 0.0, 0.0, 0
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]) + len(completions[i]))
    training = policy.training
    policy.eval()
    for start in range(0, len(order), rows):
        part = order[start : start + rows]
        texts = [[*prompts[i], *completions[i]] for i in part]
        width = max(map(len, texts))
        ids = torch.tensor([text + [pad] * (width - len(text)) for text in texts], device=policy.device)
        mask = torch.tensor([[1] * len(text) + [0] * (width - len(text)) for text in texts], device=policy.device)
        written = torch.zeros(mask.shape, dtype=torch.bool)
        for row, i in enumerate(part):
            written[row, len(prompts[i]) - 1 : len(texts[row]) - 1] = True  # the positions that predict its tokens
        logs = _log_probabilities(policy, ids, mask, written)
        probabilities = logs.exp()
        entropy -= (probabilities * logs).sum().item()
        if reference is not None:
            kl += (probabilities * (logs - _log_probabilities(reference, ids, mask, written))).sum().item()
        count += len(logs)
    policy.train(training)
    count = max(count, 1)
    return entropy / count, None if reference is None else kl / count


def _log_probabilities(
    model: PreTrainedModel, ids: torch.Tensor, mask: torch.Tensor, where: torch.Tensor
) -> torch.Tensor:
    """`(tokens, V)` log-probabilities at the marked positions; right padding is never attended to."""
    logits = model(ids.to(model.device), attention_mask=mask.to(model.device), use_cache=False).logits
    return torch.log_softmax(logits[where.to(logits.device)].float(), -1)
