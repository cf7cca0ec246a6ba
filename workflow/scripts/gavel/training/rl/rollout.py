"""The questions of each step, and their completions."""

from collections.abc import Sequence
from typing import Any, TypedDict

from trl import GRPOTrainer

from gavel.common.errors import InputError
from gavel.common.seeding import cycle_shuffled
from gavel.data.records import Record
from gavel.models.sampling import count_occurrences, sample
from gavel.training import distributed


class PoolQuestion(TypedDict):
    """A question of a step, as a row of TRL's data set.

    Attributes:
        id: of the question.
        gold: the gold answer; None for an unlabelled question, and for every question at lambda 0.
        labeled: whether it comes from the labelled pool.
    """

    id: str
    question: str
    gold: str | None
    labeled: bool


def question_order(
    labeled: Sequence[Record],
    unlabeled: Sequence[Record],
    *,
    lam: float,
    steps: int,
    per_step: int,
    labeled_fraction: float,
    seed: int,
) -> list[PoolQuestion]:
    """The questions of every step, in order: `steps * per_step` rows, each pool reshuffled whenever it runs out.

    At lambda 1 all questions are labelled. At lambda 0 gold answers are dropped here, so that no later code can read
    one.

    Raises:
        InputError: a required pool is empty.
    """
    fraction = 1.0 if lam == 1 else labeled_fraction
    from_labeled = round(per_step * fraction)
    pools = (("labeled", labeled, from_labeled), ("unlabeled", unlabeled, per_step - from_labeled))
    for name, pool, wanted in pools:
        if wanted and not pool:
            raise InputError(f"data.{name}: no questions, but every step at lambda {lam:g} takes {wanted} of them")
    streams = [(name, cycle_shuffled(pool, f"{seed}-{name}"), wanted) for name, pool, wanted in pools if wanted]
    rows: list[PoolQuestion] = []
    for _ in range(steps):
        for name, stream, wanted in streams:
            for row in (next(stream) for _ in range(wanted)):
                gold = row["gold"] if name == "labeled" and lam > 0 else None
                rows.append(PoolQuestion(id=row["id"], question=row["question"], gold=gold, labeled=name == "labeled"))
    return rows


class Rollout:
    """TRL's `rollout_func` over our sampler, which computes a group's prompt once.

    Random numbers depend on the seed, the step, the prompt and the prompt's occurrence in the step: a question that
    occurs twice in a rollout gets two different groups of completions. A resumed run samples the same completions as an
    uninterrupted one, and several processes together sample the same ones as a single process.
    """

    def __init__(self, seed: int, updates: int, batch_size: int, special_tokens: bool = True):
        self.seed, self.updates, self.batch_size, self.special_tokens = seed, updates, batch_size, special_tokens

    def __call__(self, texts: list[str], trainer: GRPOTrainer) -> dict[str, Any]:
        n, tokenizer = trainer.num_generations, trainer.processing_class
        if any(len(set(texts[i : i + n])) > 1 for i in range(0, len(texts), n)):
            raise RuntimeError(
                f"a group of {n} completions is split between processes: rl.prompts_per_step must divide among them"
            )
        step = trainer.state.global_step // self.updates
        asked = texts[::n]
        everyone = distributed.all_gather(asked)  # each process has the next part of the rollout's questions
        before = (text for part in everyone[: distributed.rank()] for text in part)
        with distributed.unsharded(trainer.accelerator.unwrap_model(trainer.model)) as policy:
            groups = sample(
                policy,
                tokenizer,
                asked,
                n=n,
                temperature=trainer.args.temperature,
                max_new_tokens=trainer.max_completion_length,
                seed=self.seed * 1_000_003 + step,
                occurrences=count_occurrences(asked, before),
                batch_size=self.batch_size,
                special_tokens=self.special_tokens,
            )
        read = tokenizer(asked, add_special_tokens=self.special_tokens)["input_ids"]
        prompt_ids = [ids for ids in read for _ in range(n)]
        return {
            "prompt_ids": prompt_ids,
            "completion_ids": [s.ids for group in groups for s in group],
            "logprobs": None,
        }
