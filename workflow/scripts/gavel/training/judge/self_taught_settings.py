"""How a self-taught judge's pairs and judgments are made.

Kept apart from the training settings, so that editing those does not regenerate pairs and judgments.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SelfTaughtSettings:
    """The config's `judge.self_taught` without its stages `sft` and `dpo`: how pairs and judgments are made.

    Attributes:
        iterations: each starts from the judge of the previous one.
        questions: unlabelled questions per iteration.
        policy_samples: SFT samples per question.
        agreement: lowest and highest fraction of a challenging question's samples with the most frequent answer.
        negatives: how the worse response of a pair is made.
        samples: judgments per pair and order.
        temperature: of the judgments.
        seed: of questions, samples and injected errors.
    """

    iterations: int
    questions: int
    policy_samples: int
    agreement: tuple[float, float]
    negatives: tuple[Literal["changed-question", "injected-error"], ...]
    samples: int
    temperature: float
    seed: int
