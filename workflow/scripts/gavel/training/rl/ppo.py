"""PPO as GRPO's rollout with a critic: per-token advantages from GAE instead of group-centred rewards.

TRL's PPOTrainer was removed (PR 7020). Its GRPOTrainer takes per-token advantages from a subclass, so a few small
overrides suffice. KL, clipping, logging and checkpoints are TRL's. Settings follow ReFT (Luong et al. 2024): gamma 1,
GAE lambda 0.95, value clip 0.2, whitened advantages, two epochs over a rollout.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PreTrainedModel

from gavel.models.loading import disable_dropout
from gavel.training import lora
from gavel.training.packing import PackedBatch
from gavel.training.rl.grpo import PackedGRPOTrainer
from gavel.training.rl.settings import PPOSettings


def gae(
    rewards: torch.Tensor, values: torch.Tensor, mask: torch.Tensor, gamma: float, gae_lambda: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Generalised advantage estimation (Schulman et al. 2016) over right-padded completions.

    Args:
        rewards: `(B, T)`, the reward after each token.
        values: `(B, T)`, the critic's value of the state before each token.
        mask: `(B, T)`, 1 on completion tokens; beyond them there is no reward and no value.
        gamma: discount.
        gae_lambda: between one-step (0) and Monte Carlo (1) estimates.

    Returns:
        advantages and returns (advantages + values), both `(B, T)` and 0 off the mask.
    """
    mask = mask.to(values.dtype)
    values, rewards = values * mask, rewards * mask
    advantages = torch.zeros_like(values)
    following, next_value = torch.zeros_like(values[:, 0]), torch.zeros_like(values[:, 0])
    for t in reversed(range(values.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        following = (delta + gamma * gae_lambda * following) * mask[:, t]
        advantages[:, t], next_value = following, values[:, t]
    return advantages, (advantages + values) * mask


def terminal_rewards(rewards: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Each completion's reward `(B,)` at its last token: `(B, T)`. NaN rewards (missing) become 0."""
    by_token = torch.zeros(mask.shape, dtype=rewards.dtype, device=rewards.device)
    last = (mask.sum(1) - 1).clamp(min=0).long()
    return by_token.scatter(1, last.unsqueeze(1), torch.nan_to_num(rewards).unsqueeze(1))


def whiten(values: torch.Tensor, mask: torch.Tensor, pools: torch.Tensor) -> torch.Tensor:
    """Zero mean and unit variance over the tokens of each pool separately.

    A labelled question's reward mixes two parts and an unlabelled one's is the judge's alone, so the pools have
    different scales. Whitening them together would turn that difference into advantage.

    Args:
        values, mask: `(B, T)`.
        pools: `(B,)` integers, each row's pool; rows with a negative one are left out and get 0.
    """
    result = torch.zeros_like(values)
    for pool in pools.unique().tolist():
        inside = mask.bool() & (pools == pool).unsqueeze(1)
        if pool < 0 or not inside.any():
            continue
        part = values[inside]
        result[inside] = (part - part.mean()) / (part.std(correction=0) + 1e-8)
    return result


CRITIC = "critic.safetensors"  # in a LoRA checkpoint
SEQUENCES = ("prompt_ids", "prompt_mask", "completion_ids", "completion_mask")


class Critic(nn.Module):
    """A value for each position from a trunk's hidden states; starts at 0 everywhere.

    Args:
        policy: its trunk is copied, or with `shared` used in place (as in ReFT).
    """

    def __init__(self, policy: PreTrainedModel, shared: bool = False):
        super().__init__()
        self.trunk: PreTrainedModel = None if shared else copy.deepcopy(policy.base_model)
        self.head = nn.Linear(policy.config.hidden_size, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """`(B, S, width)` hidden states to `(B, S)` values."""
        return self.head(hidden).squeeze(-1)


class PPOTrainer(PackedGRPOTrainer):
    """GRPO's trainer with a critic.

    Args:
        critic: its settings.
    """

    optimizer: torch.optim.Optimizer | None

    def __init__(self, *args: Any, model: PreTrainedModel, critic: PPOSettings, **kwargs: Any):
        self.ppo, self.shared = critic, critic.trunk == "shared"
        self._hidden: torch.Tensor | None = None  # what a shared trunk has computed last
        self._read: list[torch.Tensor] = []  # values that came with log-probabilities, from a shared trunk
        value = Critic(model, self.shared)
        super().__init__(*args, model=model, **kwargs)
        # A submodule of the policy, so that checkpoints and gradient clipping include it. It is added after LoRA, which
        # freezes what it finds in the policy.
        policy = lora.base_model(self.model)
        disable_dropout(value)
        policy.add_module("critic", value.to(policy.device))
        if self.shared:
            policy.base_model.register_forward_hook(self._keep_hidden)

    @property
    def critic(self) -> Critic:
        return lora.base_model(self.model).critic

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        """Save the critic too, which a LoRA checkpoint would leave out."""
        super()._save(output_dir, state_dict)
        if lora.base_model(self.model) is not self.model and self.args.should_save:
            save_file(self.critic.state_dict(), Path(output_dir or self.args.output_dir) / CRITIC)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        saved = Path(resume_from_checkpoint) / CRITIC
        if saved.exists():
            self.critic.load_state_dict(load_file(saved))

    def _keep_hidden(self, trunk: nn.Module, inputs: Any, output: Any) -> None:
        """Keep what the policy's trunk computed, for the critic."""
        self._hidden = output.last_hidden_state

    def _packed_log_probs(self, model: nn.Module, packed: PackedBatch) -> tuple[torch.Tensor, torch.Tensor | None]:
        found = super()._packed_log_probs(model, packed)
        if self.shared and model is not self.ref_model:
            self._read.append(packed.unpack(self.critic(self._for_critic())))
        return found

    def _for_critic(self) -> torch.Tensor:
        """What the shared trunk has computed; during warm-up only the critic's head learns from it."""
        assert self._hidden is not None  # the trunk has just run
        hidden, self._hidden = self._hidden, None
        return hidden.detach() if self._warming else hidden

    @property
    def _warming(self) -> bool:
        """Whether only the critic is trained on this rollout."""
        updates = self.num_iterations * self.args.steps_per_generation // self.args.gradient_accumulation_steps
        return self.state.global_step // updates < self.ppo.critic_warmup

    def create_optimizer(self, *args: Any, **kwargs: Any) -> torch.optim.Optimizer:
        """AdamW with the critic's own learning rate."""
        if self.optimizer is None:
            critic = {id(p) for p in self.critic.parameters()}
            policy = [p for p in self.model.parameters() if p.requires_grad and id(p) not in critic]
            groups = [
                {"params": policy, "lr": self.args.learning_rate},
                {"params": list(self.critic.parameters()), "lr": self.ppo.critic_learning_rate},
            ]
            self.optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
        return self.optimizer

    def _rewarded_rollout(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self._read = []
        output = super()._rewarded_rollout(inputs)
        mask, device = output["completion_mask"], output["completion_ids"].device
        first = self.accelerator.process_index * len(inputs)
        own = slice(first, first + len(inputs))
        rewards = self.local_rewards(len(inputs))
        pools = torch.tensor([1 if row["labeled"] else 0 for row in inputs], device=device)
        pools = pools.masked_fill(torch.isnan(rewards), -1)  # missing: no advantage, and nothing for the critic to fit
        values = self._old_values(output) * mask
        by_token = terminal_rewards(rewards, mask) + output.pop("kl_rewards", 0.0)
        advantages, returns = gae(by_token, values, mask, self.ppo.gamma, self.ppo.gae_lambda)
        rewarded = mask * (pools >= 0).unsqueeze(1)
        inside = self._gathered(rewarded).bool()
        residual, known = self._gathered(returns - values)[inside], self._gathered(returns)[inside]
        if len(known) > 1:
            explained = 1 - residual.var() / known.var().clamp(min=1e-8)
            self._metrics["train"]["explained_variance"].append(explained.item())
        white = whiten(self._gathered(advantages), self._gathered(mask), self.accelerator.gather(pools))
        output["advantages"] = white[own, : mask.shape[1]]
        rewarded_tokens = self.accelerator.reduce(rewarded.sum(), "sum").clamp(min=1)
        return output | {"values": values, "returns": returns, "rewarded": rewarded, "rewarded_tokens": rewarded_tokens}

    def _old_values(self, output: Mapping[str, Any]) -> torch.Tensor:
        """Values `(B, T)` of a rollout's tokens before any update on it."""
        mask, size = output["completion_mask"], self.args.per_device_train_batch_size
        starts = range(0, len(mask), size)
        if self._read and "old_per_token_logps" in output:  # the first passes, before those of a reference
            parts = self._read[: len(starts)]
        else:
            with torch.no_grad():
                batches = ({name: output[name][start : start + size] for name in SEQUENCES} for start in starts)
                parts = [self._values(batch) for batch in batches]
        return torch.cat(parts)

    def _gathered(self, values: torch.Tensor) -> torch.Tensor:
        """The rows `(B, T)` of every process, in order, padded to the widest."""
        return self.accelerator.gather(self.accelerator.pad_across_processes(values, dim=1))

    def _compute_loss(self, model: nn.Module, inputs: Mapping[str, Any]) -> torch.Tensor:
        self._read = []
        policy_loss = super()._compute_loss(model, inputs)
        if self._read:
            values = torch.cat(self._read)
        else:
            values = self._values(inputs, self._for_critic() if self.shared else None)
        old, returns, rewarded = inputs["values"], inputs["returns"], inputs["rewarded"]
        clipped = old + (values - old).clamp(-self.ppo.value_clip, self.ppo.value_clip)
        errors = torch.max((values - returns) ** 2, (clipped - returns) ** 2)
        # As TRL's "dapo" does for the policy: the mean over the tokens of the rollout, so that neither the length of a
        # micro-batch's completions nor their number of missing rewards changes a token's weight.
        steps = self.args.steps_per_generation
        tokens = inputs["rewarded_tokens"]
        value_loss = 0.5 * (errors * rewarded).sum() * steps * self.accelerator.num_processes / tokens
        self._metrics["train"]["value_loss"].append(self.accelerator.reduce(value_loss.detach(), "mean").item())
        value_loss = value_loss / self.current_gradient_accumulation_steps
        return (0.0 if self._warming else 1.0) * policy_loss + self.ppo.value_coefficient * value_loss

    def _values(self, batch: Mapping[str, Any], hidden: torch.Tensor | None = None) -> torch.Tensor:
        """Values `(B, T)` of the states before each completion token; `hidden` if a trunk has read the batch."""
        tokens = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
        mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
        width = batch["completion_ids"].shape[1]
        trunk = lora.base_model(self.model).base_model if self.shared else self.critic.trunk
        rows = self.packed(tokens, mask, width) if self.packs else None
        if hidden is None:
            inputs = {"input_ids": tokens, "attention_mask": mask}
            if rows is not None:
                inputs = {"input_ids": rows.ids, "attention_mask": rows.mask(trunk), "position_ids": rows.positions}
            hidden = trunk(**inputs, use_cache=False).last_hidden_state
        values = self.critic(hidden)
        return values[:, -width - 1 : -1] if rows is None else rows.unpack(values)
