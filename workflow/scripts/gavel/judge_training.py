"""A judge that compares learns to judge better: by imitating judgments, by preferring some, or by GRPO.

`sft` and `dpo` read judgments (`gavel.judgments`), as the self-taught evaluators of Wang et al. 2024 (arXiv 2408.02666)
do one after the other. `grpo` reads pairs with a known better solution and nothing else, as the reward reasoning models
of Guo et al. 2025 (arXiv 2505.14674): the judge is paid +1 when it prefers the right solution and -1 when it does not,
and what it reasons is its own affair. We have read the former's code's README and configs, of the latter the abstract
and reviews. Trainers are TRL's; a judge is chosen, like a student, by its accuracy on validation pairs.
"""

from collections.abc import Sequence
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerState

from gavel import distributed, judge, models
from gavel.context import check_texts
from gavel.errors import InputError
from gavel.files import read_jsonl
from gavel.judge_trainers import TRAINERS, VERDICT_TOKENS
from gavel.judgments import both_orders, local, to_imitate, to_prefer
from gavel.progress import say
from gavel.run_state import Mirror, RunState
from gavel.statistics import clustered_mean
from gavel.training import Keeper, finish_run


class PairAccuracy:
    """How often a judge prefers the right solution of a pair, both orders taken together; ties are half.

    Args:
        settings: keyword arguments of `gavel.judge.load`.
        pairs: rows with `id`, `prompt`, `chosen`, `rejected`.
    """

    def __init__(self, settings: dict, pairs: Sequence[dict]):
        self.judge = judge.load(**settings)
        self.pairs = pairs

    def __call__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, step: int) -> dict[str, float]:
        """`greedy` is the accuracy, the name by which the best step is chosen; `first_bias` and `flipped` beside it."""
        training, local(self.judge).model = model.training, model
        held = self.judge.held([(pair["prompt"], pair["chosen"], pair["rejected"]) for pair in self.pairs])
        model.train(training)
        won = [(one.probability > 0.5) + 0.5 * (one.probability == 0.5) for one in held]
        low, high = clustered_mean([pair["prompt"] for pair in self.pairs], won)
        n = len(held)
        return {"greedy": sum(won) / n, "greedy_low": low, "greedy_high": high, "n": n} | {
            "first_bias": sum(one.first for one in held) / n - 0.5,
            "flipped": sum(one.flipped for one in held) / n,
        }


def train(
    *,
    method: str,
    start: str,
    judge_settings: dict,
    data: str,
    selection: str,
    output: str,
    state: str,
    digest: str,
    settings: dict,
    name: str,
    mirror: Mirror | None = None,
) -> dict:
    """Train a judge, or go on from its last checkpoint.

    Called with the same arguments in every process that trains; the main one writes.

    Args:
        method: `sft`, `dpo` or `grpo`.
        start: folder or hub name of the judge as it is.
        judge_settings: keyword arguments of `gavel.judge.load`; the model in them is not looked at.
        data: JSONL file; judgments, or for `grpo` pairs `{"id", "prompt", "chosen", "rejected"}`.
        selection: JSONL file of such pairs, from validation problems.
        output: gets `best/`, `final/`, `monitor.csv`, `training.csv` and `run.json`.
        state: folder for checkpoints and journals; `digest` decides whether it may be resumed.
        settings: the method's section of the config.

    Returns:
        What `run.json` holds: with `untrained`, the reason, where the judge is left as it was.

    Raises:
        InputError: `grpo` has no pairs to learn from, or one does not fit the judge's context.
    """
    rows, pairs = list(read_jsonl(data)), list(read_jsonl(selection))
    asked = judge_settings | {"model": start, "cache": None}
    watch = PairAccuracy(asked, pairs)
    backend = local(watch.judge)
    _check_context(method, watch.judge, rows, data, start)
    examples = _examples(method, watch.judge, rows, settings["seed"])
    if not examples and method == "grpo":
        raise InputError(f"{data}: nothing for {method} to learn from: {_WANTING[method]}")
    run = distributed.on_main(lambda: RunState(state, digest))
    steps = settings["steps"] or max(1, len(examples) * settings["epochs"] // settings["batch_size"])
    steps = steps if examples else 0
    keeper = Keeper(
        run,
        backend.tokenizer,
        watch,
        steps=steps,
        check_every=settings["check_every"] or max(1, steps),
        save_every=settings["check_every"] or max(1, steps),
        mirror=mirror,
    )
    # Of its own, or the judge that looks would be the one that trains before a checkpoint is loaded into it.
    model = models.load_model(start, dtype=asked["dtype"], revision=asked.get("revision"))
    summary = {"run": name, "algorithm": method, "lambda": None, "seed": settings["seed"], "steps": steps}
    summary |= {"examples": len(examples), "selected_on": len(pairs), "settings": settings}
    if not examples:  # a judge that is right on every pair, or on none, ends no study
        keeper.on_train_begin(None, TrainerState(), None, model=model)
        summary |= {"seconds": keeper.seconds(), "untrained": f"nothing to learn from: {_WANTING[method]}"}
        return finish_run(run, model, backend.tokenizer, Path(output), summary, mirror)
    trainer = TRAINERS[method](
        model=model,
        tokenizer=backend.tokenizer,
        examples=examples,
        settings=settings | {"steps": steps},
        asked=watch.judge,
        folder=str(run.checkpoints),
        keeper=keeper,
    )
    last = distributed.on_main(run.latest)
    if last is not None:
        say(f"resuming from {last.name}", console=True)
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    summary |= {"seconds": keeper.seconds()}
    alike = [row["frac_reward_zero_std"] for row in trainer.state.log_history if "frac_reward_zero_std" in row]
    if alike and min(alike) == 1:
        summary |= {"untrained": "all judgments of each prompt were paid alike; raise judge.rl.temperature"}
    return finish_run(run, trainer.model, backend.tokenizer, Path(output), summary, mirror)


_WANTING = {
    "sft": "the judgments that reached the better solution are not of both labels; raise judge.self_taught.questions "
    "or samples",
    "dpo": "too few pairs have judgments that reached the better solution and others that did not; raise "
    "judge.self_taught.questions, samples or temperature, or leave DPO out (dpo: null)",
    "grpo": "no labelled question has both a right and a wrong solution; raise judge.rl.samples",
}


def _check_context(method: str, watcher, rows: Sequence[dict], data: str, model: str) -> None:
    """Raises `InputError` where a judgment, or a prompt with its reasoning, does not fit the judge's context."""
    backend, room = local(watcher), 0
    texts = [(row["id"], row["prompt"] + row["judgment"]) for row in rows if "judgment" in row]
    if method == "grpo":
        texts = [(one.id, backend.templated(one.prompt)) for one in both_orders(watcher, rows)]
        reasoning = getattr(watcher.backend, "drawing", None)
        room = reasoning["max_new_tokens"] + VERDICT_TOKENS if reasoning else 1
    check_texts(texts, source=data, model=model, tokenizer=backend.tokenizer, room=room)


def _examples(method: str, watcher, rows: Sequence[dict], seed: int) -> list[dict]:
    if method == "grpo":
        asked = both_orders(watcher, rows)
        return [{"prompt": local(watcher).templated(one.prompt), "label": one.label} for one in asked]
    found = (to_imitate if method == "sft" else to_prefer)(rows, seed)
    own = _added(local(watcher).tokenizer) if local(watcher).chat else ""
    return [one | {"prompt": one["prompt"].removeprefix(own)} for one in found]


def _added(tokenizer: PreTrainedTokenizerBase) -> str:
    """What a tokenizer puts before every text: TRL lets it, and a chat template has put it there already."""
    return tokenizer.bos_token if tokenizer.bos_token_id in tokenizer("")["input_ids"] else ""
