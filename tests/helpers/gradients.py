"""Gradients of one rollout with completions of unequal lengths, for tests of how it is cut into micro-batches."""

import random

import torch
from datasets import Dataset

from gavel.common.dataclass_config import from_section
from gavel.study import params
from gavel.study.schema import training
from gavel.training.rl import algorithms, grpo_config
from gavel.training.rl.grpo import PackedGRPOTrainer
from gavel.training.rl.ppo import PPOTrainer
from gavel.training.rl.settings import RLSettings

PROMPTS = ["a key", "two keys and a red box", "Ben has 4 keys", "Anna has 5 keys and buys 3 more keys"]
QUESTIONS, GENERATIONS = len(PROMPTS), 8
REPEATED = [PROMPTS[2], PROMPTS[0], PROMPTS[2], PROMPTS[2]]
SHORTEST, LONGEST = 3, 24


class ScriptedRollout:
    """A rollout of given tokens, `SHORTEST` to `LONGEST` of them, that depend on the question only.

    Args:
        end: the last token of every completion but each `cut`th one.
    """

    def __init__(self, end: int | None = None, cut: int = 2):
        self.end, self.cut = end, cut

    def __call__(self, texts, trainer):
        tokenizer, counts, completions = trainer.processing_class, {}, []
        for text in texts:
            counts[text] = number = counts.get(text, -1) + 1
            rng = random.Random(f"{text} {number}")
            length = rng.randint(SHORTEST, LONGEST)
            ids = [rng.randrange(4, len(tokenizer)) for _ in range(length)]
            completions.append(ids if self.end is None or len(completions) % self.cut == 0 else [*ids[:-1], self.end])
        return {"prompt_ids": tokenizer(texts)["input_ids"], "completion_ids": completions, "logprobs": None}


class ScriptedReward:
    """A reward that depends on the completion only; with `missing` every third completion has none."""

    __name__ = "scored"

    def __init__(self, missing: bool):
        self.missing = missing

    def __call__(self, completion_ids, **trl):
        numbers = [sum(ids) for ids in completion_ids]
        return [None if self.missing and number % 3 == 0 else (number % 7) / 7 for number in numbers]


def trainer(
    kind, model, tokenizer, folder, *, micro=None, missing=False, ppo=(), adapters=None, prompts=PROMPTS, **settings
):
    """The trainer of an algorithm over four questions with eight completions each."""
    about = algorithms.get(kind)
    section = training.Rl(steps=1, prompts_per_step=QUESTIONS, num_generations=GENERATIONS, warmup=0)
    critic = training.Ppo(critic_warmup=0).model_dump() | dict(ppo)
    chosen = section.model_dump(by_alias=True) | {"micro_batch_size": micro, "ppo": critic} | settings
    rl_settings = from_section(RLSettings, params.rl({"rl": chosen}), "rl")
    passes = about.passes(rl_settings.ppo.passes)
    rows = [{"prompt": text, "question": text, "labeled": bool(i % 2)} for i, text in enumerate(prompts)]
    torch.manual_seed(0)
    made = (PPOTrainer if about.critic else PackedGRPOTrainer)(
        model=model,
        reward_funcs=ScriptedReward(missing),
        args=grpo_config.trainer_config(
            about,
            rl_settings,
            passes,
            LONGEST,
            0,
            str(folder),
            entropy_coef=rl_settings.entropy_coefficient,
            mask_truncated_completions=rl_settings.mask_truncated,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        rollout_func=ScriptedRollout(),
        peft_config=adapters,
        **({"critic": rl_settings.ppo} if about.critic else {"leave_one_out": about.leave_one_out}),
    )
    made.model.train()
    return made


def gradients(made) -> list[dict[str, torch.Tensor]]:
    """The gradients of this process for each mini-batch of the rollout, by parameter name.

    The policy and the critic move a little after the rollout, so that ratios and values differ from the old ones.
    """
    made.current_gradient_accumulation_steps = made.args.gradient_accumulation_steps
    batch = next(iter(made.get_train_dataloader()))
    found, inputs = [], made._prepare_inputs(batch)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in made.model.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape))
    for micro_batch in range(made.args.steps_per_generation):
        if micro_batch % made.args.gradient_accumulation_steps == 0:
            made.model.zero_grad()
        if micro_batch:
            inputs = made._prepare_inputs(batch)
        made._compute_loss(made.model, inputs).backward()
        made._step += 1
        if made._step % made.args.gradient_accumulation_steps == 0:
            parameters = made.model.named_parameters()
            found.append({name: p.grad.clone() for name, p in parameters if p.grad is not None})
    return found


def completions(output: dict) -> list[list[int]]:
    """A rollout's completions without padding."""
    rows = zip(output["completion_ids"], output["completion_mask"].bool(), strict=True)
    return [ids[mask].tolist() for ids, mask in rows]


def difference(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], critic: bool) -> float:
    """Norm of the difference over the norm of the gradient, for the policy's or the critic's parameters."""
    names = [name for name in wanted if name.startswith("critic.") == critic]
    flat = [torch.cat([gradient[name].flatten() for name in names]) for gradient in (found, wanted)]
    return ((flat[0] - flat[1]).norm() / flat[1].norm()).item()
