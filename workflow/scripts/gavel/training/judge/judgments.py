"""Judgments: a pairwise judge's texts about pairs, sampled, checked and turned into training data.

As in the self-taught evaluators of Wang et al. 2024 (arXiv 2408.02666; we have read its code's README and configs) a
judge is asked about pairs whose better solution is known, in both orders. Judgments that reach it are kept (rejection
sampling), as many for the first position as for the second, so that the judge learns no position bias.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl, write_jsonl
from gavel.common.log import info
from gavel.judge import load
from gavel.judge.pairwise import PairwiseJudge
from gavel.judge.records import Pair
from gavel.training.judge.records import ContrastingPair, Judgment
from gavel.training.judge.self_taught_settings import SelfTaughtSettings


class OrderedPair(NamedTuple):
    """A pair in one order: the judging prompt, the cue between reasoning and label word, the correct label word."""

    id: str
    prompt: str
    cue: str
    label: str


def load_pairwise(settings: dict[str, Any]) -> PairwiseJudge:
    """`gavel.judge.load.load` for a pairwise judge.

    Raises:
        InputError: as there, or the judge is of another kind.
    """
    judge = load.load(**settings)
    if not isinstance(judge, PairwiseJudge):
        raise InputError("judge.kind: only a pairwise judge can be trained; set it to pairwise")
    return judge


def both_orders(judge: PairwiseJudge, pairs: Iterable[Pair]) -> list[OrderedPair]:
    """Each pair in both orders, in the judge's first phrasing."""
    found = []
    for pair in pairs:
        solutions = (pair["chosen"], pair["rejected"])
        for place, (first, second) in enumerate([solutions, solutions[::-1]]):
            prompt = judge.render(pair["prompt"], first, second)[0]
            text, cue = (prompt, "") if isinstance(prompt, str) else prompt
            found.append(OrderedPair(pair["id"], text, cue, judge.labels[place]))
    return found


def sample_judgments(
    judge: PairwiseJudge,
    pairs: Sequence[Pair],
    *,
    samples: int,
    temperature: float,
    seed: int,
) -> list[Judgment]:
    """Sample judgments of each pair in both orders: reasonings at `temperature`, and after each a label word by its
    probability, as if the model had written it.

    Returns:
        One judgment for each sample.
    """
    rng = random.Random(f"judgments-{seed}")
    orders, model = both_orders(judge, pairs), judge.in_process_backend
    replies = [[""] * samples for _ in orders]
    if judge.reasoner is not None:
        prompts = [(one.prompt, one.cue) for one in orders]
        written = judge.reasoner.reason(prompts, samples=samples, temperature=temperature, seed=seed)
        replies = [[text for text in own if text is not None] for own in written]  # none is missing in this process
    asked = [(one.prompt, reply) for one, own in zip(orders, replies, strict=True) for reply in dict.fromkeys(own)]
    answers = dict(zip(asked, model.answers(asked, [prompt for prompt, _ in asked]), strict=True))
    rows: list[Judgment] = []
    for one, own in zip(orders, replies, strict=True):
        for reply in own:
            label = judge.labels[rng.random() >= answers[one.prompt, reply].probability]
            rows.append(
                {
                    "id": one.id,
                    "prompt": model.apply_template(one.prompt),
                    "judgment": reply + label,
                    "label": one.label,
                    "reached": label == one.label,
                }
            )
    return rows


def make_judgments(
    *,
    pairs: str,
    iteration: int,
    judge_settings: dict[str, Any],
    settings: SelfTaughtSettings,
    output: str,
) -> None:
    """Write a judge's judgments (`sample_judgments`) of an iteration's pairs.

    Args:
        judge_settings: keyword arguments of `gavel.judge.load.load` for the judge after the previous iteration.
    """
    rows = sample_judgments(
        load_pairwise(judge_settings | {"cache": None}),
        [cast(ContrastingPair, row) for row in read_jsonl(pairs)],
        samples=settings.samples,
        temperature=settings.temperature,
        seed=settings.seed + iteration,
    )
    info(f"{sum(row['reached'] for row in rows)} of {len(rows)} judgments reached the better solution")
    write_jsonl(output, rows)


def sft_examples(rows: Sequence[Judgment], seed: int) -> list[dict[str, Any]]:
    """`{"prompt", "completion"}`: the distinct judgments that reached the better solution, balanced by label word."""
    kept = {(row["prompt"], row["judgment"]): row for row in rows if row["reached"]}
    return [{"prompt": row["prompt"], "completion": row["judgment"]} for row in balance_labels(kept.values(), seed)]


def dpo_examples(rows: Sequence[Judgment], seed: int) -> list[dict[str, Any]]:
    """`{"prompt", "chosen", "rejected"}`: for each pair in one order, judgments that reached the better solution are
    matched with ones that did not, as many as there are of both; balanced by label word."""
    by_prompt: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    for row in rows:
        good, bad = by_prompt.setdefault(row["prompt"], ({}, {}))
        (good if row["reached"] else bad)[row["judgment"]] = row
    matched = [
        {"prompt": prompt, "chosen": chosen, "rejected": rejected, "label": good[chosen]["label"]}
        for prompt, (good, bad) in by_prompt.items()
        for chosen, rejected in zip(good, bad, strict=False)
    ]
    return [{key: row[key] for key in ("prompt", "chosen", "rejected")} for row in balance_labels(matched, seed)]


def balance_labels(rows: Iterable[Mapping[str, Any]], seed: int) -> list[Mapping[str, Any]]:
    """As many rows for each of the two labels: a random part of the more frequent one's, all in random order."""
    rng = random.Random(f"balance-{seed}")
    by_label: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_label.setdefault(row["label"], []).append(row)
    if len(by_label) < 2:
        return []
    count = min(map(len, by_label.values()))
    kept = [row for own in by_label.values() for row in rng.sample(own, len(own))[:count]]
    rng.shuffle(kept)
    return kept
