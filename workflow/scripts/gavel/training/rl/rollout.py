"""The questions of each step, and their completions."""

from collections.abc import Iterable, Sequence
from typing import Any, TypedDict

from trl import GRPOTrainer

from gavel.common.errors import InputError
from gavel.common.seeding import cycle_shuffled
from gavel.data.records import Record
from gavel.models.sampling import Sample, count_occurrences, sample
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
            rows += [pool_question(next(stream), name == "labeled", lam) for _ in range(wanted)]
    return rows


def pool_question(record: Record, labeled: bool, lam: float) -> PoolQuestion:
    """A record as a question of a run at this lambda."""
    gold = record["gold"] if labeled and lam > 0 else None
    return PoolQuestion(id=record["id"], question=record["question"], gold=gold, labeled=labeled)


class Rollout:
    """TRL's `rollout_func` over our sampler, which computes a group's prompt once.

    Random numbers depend on the seed, the step, the prompt and the prompt's occurrence in the step: a question that
    occurs twice in a rollout gets two different groups of completions. A resumed run samples the same completions as an
    uninterrupted one, and several processes together sample the same ones as a single process.
    """

    def __init__(self, seed: int, updates: int, batch_size: int, special_tokens: bool = True):
        self.seed, self.updates, self.batch_size, self.special_tokens = seed, updates, batch_size, special_tokens

    def __call__(self, texts: list[str], trainer: GRPOTrainer) -> dict[str, Any]:
        n = trainer.num_generations
        if any(len(set(texts[i : i + n])) > 1 for i in range(0, len(texts), n)):
            raise RuntimeError(
                f"a group of {n} completions is split between processes: rl.prompts_per_step must divide among them"
            )
        asked = texts[::n]
        everyone = distributed.all_gather(asked)  # each process has the next part of the rollout's questions
        before = [text for part in everyone[: distributed.rank()] for text in part]
        return self.output(asked, self.sample(asked, trainer, before), trainer)

    def step(self, trainer: GRPOTrainer) -> int:
        """The rollout's number, counted from 0."""
        return int(trainer.state.global_step) // self.updates

    def sample(self, asked: Sequence[str], trainer: GRPOTrainer, before: Iterable[str] = ()) -> list[list[Sample]]:
        """Sample a group for each prompt; every process must call this, even without prompts.

        Args:
            before: prompts that come before them in the rollout.
        """
        with distributed.unsharded(trainer.accelerator.unwrap_model(trainer.model)) as policy:
            return sample(
                policy,
                trainer.processing_class,
                asked,
                n=trainer.num_generations,
                temperature=trainer.args.temperature,
                max_new_tokens=trainer.max_completion_length,
                seed=self.seed * 1_000_003 + self.step(trainer),
                occurrences=count_occurrences(asked, before),
                batch_size=self.batch_size,
                special_tokens=self.special_tokens,
            )

    def output(self, asked: Sequence[str], groups: Sequence[Sequence[Sample]], trainer: GRPOTrainer) -> dict[str, Any]:
        """The groups of these prompts as TRL wants them."""
        read = trainer.processing_class(list(asked), add_special_tokens=self.special_tokens)["input_ids"]
        return {
            "prompt_ids": [ids for ids, group in zip(read, groups, strict=True) for _ in group],
            "completion_ids": [one.ids for group in groups for one in group],
            "logprobs": None,
        }
