"""Reinforcement learning with the mixed reward: every algorithm over the same questions, rollout and reward.

TRL's GRPOTrainer does the training. Ours are the order of questions (a labelled and an unlabelled share in every step),
the rollout (`gavel.sampling`, through TRL's `rollout_func`) and the reward (`gavel.rewards`). A grid cell differs from
another in its algorithm, its lambda and its seed and in nothing else.
"""

import math
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from datasets import Dataset
from transformers import TrainerCallback
from trl import GRPOTrainer

from gavel import algorithms, distributed, judge, lora, models, prompts
from gavel.context import check_questions
from gavel.errors import InputError
from gavel.files import read_jsonl
from gavel.grpo import GroupTrainer
from gavel.judge import cache
from gavel.mixing import MixingWeight
from gavel.monitor import Monitor
from gavel.ppo import PPOTrainer
from gavel.progress import say
from gavel.reactions import ROLLS_BACK, Reaction
from gavel.rewards import MixedReward
from gavel.run_state import Mirror, RunState
from gavel.sampling import count_occurrences, sample
from gavel.training import Keeper, finish_run
from gavel.trl_config import trainer_config

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # `rollout_func` is a seam that we pin and test


def question_order(
    labeled: Sequence[dict],
    unlabeled: Sequence[dict],
    *,
    lam: float,
    steps: int,
    per_step: int,
    labeled_share: float,
    seed: int,
) -> list[dict]:
    """The questions of every step, in order: `steps * per_step` rows, each pool reshuffled whenever it runs out.

    At lambda 1 all are labelled questions. At lambda 0 answers are left behind here, so that no later code can read
    one. Labelled questions are told from unlabelled ones by `labeled`.

    Raises:
        InputError: a pool that is needed is empty.
    """
    share = 1.0 if lam == 1 else labeled_share
    from_labeled = round(per_step * share)
    pools = (("labeled", labeled, from_labeled), ("unlabeled", unlabeled, per_step - from_labeled))
    for name, pool, wanted in pools:
        if wanted and not pool:
            raise InputError(f"data.{name}: no questions, but every step at lambda {lam:g} takes {wanted} of them")
    streams = [(name, reshuffled(pool, f"{seed}-{name}"), wanted) for name, pool, wanted in pools if wanted]
    rows = []
    for _ in range(steps):
        for name, stream, wanted in streams:
            for row in (next(stream) for _ in range(wanted)):
                answer = row["answer"] if name == "labeled" and lam > 0 else None
                rows.append({"question": row["question"], "answer": answer, "labeled": name == "labeled"})
    return rows


def train(
    *,
    name: str,
    algorithm: str,
    lam: float,
    seed: int,
    student: dict,
    start: str,
    labeled: str,
    unlabeled: str,
    validation: str,
    judge_settings: dict,
    output: str,
    state: str,
    digest: str,
    settings: dict,
    solution_format: str,
    prompt: str,
    max_new_tokens: int,
    decoding: dict | None = None,
    mirror: Mirror | None = None,
) -> dict:
    """Train one grid cell from the SFT checkpoint, or go on from its last checkpoint.

    Called with the same arguments in every process that trains: each samples and scores its share of a rollout's
    questions, the main one writes.

    Args:
        name: the run's name, for messages.
        algorithm: a key of `gavel.algorithms.ALGORITHMS`.
        lam: weight of the verifiable reward on labelled questions.
        student: `dtype`, `pad_token`, `eos_token`.
        start: folder of the SFT checkpoint.
        labeled, unlabeled, validation: JSONL files of records.
        judge_settings: keyword arguments of `gavel.judge.load`.
        output: run folder; gets `best/`, `final/`, `monitor.csv`, `training.csv` and `run.json`.
        state: folder for checkpoints and journals; `digest` decides whether it may be resumed.
        settings: the `rl` section of the config, without the grid.
        decoding: what is decoded at a time when validation problems are looked at, `gavel.batches.limits`.

    Returns:
        What `run.json` holds.
    """
    kind = algorithms.get(algorithm)
    distributed.check(algorithm, kind.critic)
    rows = question_order(
        list(read_jsonl(labeled)),
        list(read_jsonl(unlabeled)),
        lam=lam,
        steps=settings["steps"],
        per_step=settings["prompts_per_step"],
        labeled_share=settings["labeled_share"],
        seed=seed,
    )
    template = prompts.load(prompt)
    data = Dataset.from_list([row | {"prompt": prompts.fill(template, question=row["question"])} for row in rows])
    checked = list(read_jsonl(validation))
    tokenizer = models.load_tokenizer(start, **{key: student.get(key) for key in ("pad_token", "eos_token")})
    longest = (settings["vllm"] or {}).get("max_model_length")
    for path in (labeled, unlabeled, validation):
        about = {"source": path, "model": start, "limit": None if path == validation else longest}
        check_questions(read_jsonl(path), tokenizer=tokenizer, prompt=prompt, max_new_tokens=max_new_tokens, **about)
    model = models.load_model(start, dtype=student["dtype"])
    # The judge watches every run, but it pays none at lambda 1.
    if judge_settings.get("cache") == "run":
        judge_settings = judge_settings | {"cache": str(Path(state) / cache.FILE)}
    watcher = judge.load(**judge_settings)
    distributed.wait()  # until all have opened the judge's cache there; an old state may be moved from under them
    run = distributed.on_main(lambda: RunState(state, digest))
    ppo, monitor = settings["ppo"], settings["monitor"]
    epochs, minibatches = kind.passes(ppo)
    updates = epochs * minibatches
    weight = MixingWeight(lam, settings["lambda_start"], settings["lambda_steps"] or settings["steps"])
    reward = MixedReward(
        weight=weight,
        judge=watcher if lam < 1 else None,
        solution_format=solution_format,
        partial=settings["partial_credit"],
        max_missing=settings["max_missing_rewards"],
        # DeepSpeed takes a step before a callback could hinder it.
        max_skipped=0 if distributed.sharding() == "deepspeed" else settings["max_skipped_steps"],
        center_judge=settings["center_judge"],
        length_penalty=settings["length_penalty"],
        max_new_tokens=max_new_tokens,
        updates=updates,
    )
    compares = judge.KINDS[judge_settings.get("kind", "single-token")].relative
    begun = None  # the policy as it is at the start, for the process that looks
    if (monitor["reference"] or compares) and distributed.is_main():
        begun = models.load_model(start, dtype=student["dtype"])
    watch = Monitor(
        checked[: monitor["questions"]],
        prompt=prompt,
        solution_format=solution_format,
        max_new_tokens=max_new_tokens,
        judge=watcher,
        reference=begun if monitor["reference"] else None,
        temperature=settings["temperature"],
        seed=seed,
        decoding=decoding,
    )
    if compares and begun is not None:
        watch.against(begun, tokenizer)
    del begun
    rules = ("action", "collapse_drop", "collapse_patience", "early_stop")
    reaction = Reaction(run, weight, **{name: monitor[name] for name in rules})
    keeper = Keeper(
        run,
        tokenizer,
        watch,
        steps=settings["steps"],
        check_every=monitor["every"],
        save_every=settings["save_every"],
        updates_per_step=updates,
        react=reaction,
        heed=reaction.heed,
        mirror=mirror,
    )
    config = trainer_config(kind, settings, epochs, minibatches, max_new_tokens, seed, str(run.checkpoints))
    extra = {"critic": ppo} if kind.critic else {"leave_one_out": kind.leave_one_out}
    extra["kl_in_reward"] = settings["kl_in"] == "reward"
    adapters = lora.adapters(settings["lora"], "rl.lora")
    trainer = (PPOTrainer if kind.critic else GroupTrainer)(
        model=model,
        reward_funcs=reward,
        args=config,
        train_dataset=data,
        processing_class=tokenizer,
        callbacks=[keeper, SkipUnpaid(reward)],
        rollout_func=None if config.use_vllm else Rollout(seed, updates, settings["micro_rollout"]),
        peft_config=adapters,
        **extra,
    )
    last = distributed.on_main(run.latest)
    ended = reaction.resume(int(last.name.split("-")[1]) // updates) if last else None
    policy = trainer.model
    if ended is not None:  # all but moving the results was done
        policy = models.load_model(start if adapters else str(last), dtype=student["dtype"])
        policy = lora.load(policy, last) if adapters else policy
    else:
        if last is not None:
            say(f"resuming from {last.name} ({updates} updates a step)", console=True)
        trainer.train(resume_from_checkpoint=str(last) if last else None)
        ended = reaction.resume(trainer.state.global_step // updates)
    if ended and ended["action"] in ROLLS_BACK:
        policy = models.load_model(str(run.best), dtype=student["dtype"])
    steps = ended["step"] if ended else settings["steps"]
    rows = rows[: steps * settings["prompts_per_step"]]
    used = {row["question"] for row in rows if row["labeled"]}
    summary = {
        "run": name,
        "algorithm": algorithm,
        "lambda": lam,
        "seed": seed,
        "steps": steps,
        "ended": ended,
        "labels": len(used) if lam > 0 else 0,
        "unlabeled": len({row["question"] for row in rows} - used),
        "completions": len(rows) * settings["num_generations"],
        "settings": settings,
        "algorithm_notes": kind.describe() | {"epochs": epochs, "minibatches": minibatches},
        "seconds": keeper.seconds(),
    }
    return finish_run(run, policy, tokenizer, Path(output), summary, mirror)


class Rollout:
    """TRL's `rollout_func` over our sampler: a group's prompt is computed once.

    Its random numbers depend on the seed, the step, the prompt and the prompt's occurrence in the step: a question that
    occurs twice in a rollout gets two different groups of completions. A resumed run draws the same samples as an
    uninterrupted one, and several processes together draw the same samples as one.
    """

    def __init__(self, seed: int, updates: int, batch_size: int, special_tokens: bool = True):
        self.seed, self.updates, self.batch_size, self.special_tokens = seed, updates, batch_size, special_tokens

    def __call__(self, texts: list[str], trainer: GRPOTrainer) -> dict:
        n, tokenizer = trainer.num_generations, trainer.processing_class
        if any(len(set(texts[i : i + n])) > 1 for i in range(0, len(texts), n)):
            raise RuntimeError(
                f"a group of {n} completions is split between processes: rl.prompts_per_step must divide among them"
            )
        step = trainer.state.global_step // self.updates
        asked = texts[::n]
        everyone = distributed.from_all(asked)  # each process has the next share of the rollout's questions
        before = (text for share in everyone[: distributed.rank()] for text in share)
        with distributed.whole(trainer.accelerator.unwrap_model(trainer.model)) as policy:
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


class SkipUnpaid(TrainerCallback):
    """Does not take a step in which too many completions could not be paid: without gradients nothing moves."""

    def __init__(self, reward: MixedReward):
        self.reward = reward

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        if self.reward.skip:
            say(f"update {state.global_step + 1} not taken: too many rewards are missing", console=True)
            model.zero_grad(set_to_none=True)


def reshuffled(rows: Sequence[dict], seed: str) -> Iterator[dict]:
    """The rows over and over, each time in another order."""
    rng = random.Random(seed)
    for _ in range(math.ceil(1e9 / max(1, len(rows)))):
        order = list(rows)
        rng.shuffle(order)
        yield from order
