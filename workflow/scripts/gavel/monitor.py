"""Watching a policy while it trains: what the judge pays it against what is true, on validation questions.

Labels of validation questions are read here and never reach a reward.
"""

import statistics
from collections.abc import Mapping, Sequence

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gavel import prompts
from gavel.answers import verify
from gavel.divergence import entropy_and_kl
from gavel.judge import Judge, tokens
from gavel.sampling import sample
from gavel.statistics import wilson

# Completions: thousands of tokens, whose mean entropy and KL are known well; all would cost a look a third more.
ENOUGH = 100


class Monitor:
    """Samples the policy once greedily and once at the training temperature for each validation question.

    Args:
        rows: validation records with answers.
        prompt: solving prompt (name or file).
        judge: asked about the sampled completions; None leaves the judge's columns and the sampling out.
        reference: the policy as it was at the start; None leaves the divergence from it out.
        temperature: of the sampled completions.
        seed: decides the samples, the same at every check.
        decoding: `gavel.batches.limits`; by default those of `sample`.
    """

    def __init__(
        self,
        rows: Sequence[dict],
        *,
        prompt: str,
        solution_format: str,
        max_new_tokens: int,
        judge: Judge | None = None,
        reference: PreTrainedModel | None = None,
        temperature: float = 1.0,
        seed: int = 0,
        decoding: Mapping | None = None,
    ):
        template = prompts.load(prompt)
        self.questions = [row["question"] for row in rows]
        self.gold = [row["answer"] for row in rows]
        self.prompts = [prompts.fill(template, question=question) for question in self.questions]
        self.format, self.judge, self.temperature = solution_format, judge, temperature
        self.reference = reference
        self.sampling = {"max_new_tokens": max_new_tokens, "seed": seed, **(decoding or {})}

    def __call__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, step: int) -> dict[str, float]:
        """Greedy and sampled accuracy with 95 % Wilson intervals, judge reward, its gap to accuracy and other signs."""
        greedy = sample(model, tokenizer, self.prompts, temperature=0.0, **self.sampling)
        _, right = verify([group[0].text for group in greedy], self.gold, self.format)
        n = len(right)
        low, high = wilson(sum(right), n)
        found = {"greedy": sum(right) / n, "greedy_low": low, "greedy_high": high, "n": n}
        if self.judge is None:
            return found
        drawn = [
            group[0] for group in sample(model, tokenizer, self.prompts, temperature=self.temperature, **self.sampling)
        ]
        texts = [s.text for s in drawn]
        answers, right = verify(texts, self.gold, self.format)
        before = tokens(self.judge)
        verdicts = self.judge.verdicts(self.questions, texts)
        asked = [(verdict, ok) for verdict, ok in zip(verdicts, right, strict=True) if verdict.score is not None]
        low, high = wilson(sum(right), n)
        found |= {
            "accuracy": sum(right) / n,
            "accuracy_low": low,
            "accuracy_high": high,
            "unparsable": sum(answer is None for answer in answers) / n,
            "length": statistics.fmean(len(s.ids) for s in drawn),
            "judge_tokens": tokens(self.judge) - before,
        }
        read, written = tokenizer(self.prompts[:ENOUGH])["input_ids"], [s.ids for s in drawn[:ENOUGH]]
        found["entropy"], kl = entropy_and_kl(model, self.reference, read, written, pad=tokenizer.pad_token_id)
        if kl is not None:
            found["kl"] = kl
        if asked:
            found["judge"] = statistics.fmean(verdict.score for verdict, _ in asked)
            found["gap"] = found["judge"] - found["accuracy"]
            found["judge_wrong"] = statistics.fmean(bool(verdict.says_right) and not ok for verdict, ok in asked)
        return found
