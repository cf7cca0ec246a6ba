"""Advantages for a critic, as pure functions of tensors."""

import torch


def gae(
    rewards: torch.Tensor, values: torch.Tensor, mask: torch.Tensor, gamma: float, gae_lambda: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Generalised advantage estimation (Schulman et al. 2016) over right-padded completions.

    Args:
        rewards: `(B, T)`, the reward paid after each token.
        values: `(B, T)`, the critic's value of the state before each token.
        mask: `(B, T)`, 1 on completion tokens; beyond them nothing is paid and nothing is worth anything.
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
    """Pay each completion's reward `(B,)` at its last token: `(B, T)`. NaN rewards (none) pay 0."""
    paid = torch.zeros(mask.shape, dtype=rewards.dtype, device=rewards.device)
    last = (mask.sum(1) - 1).clamp(min=0).long()
    return paid.scatter(1, last.unsqueeze(1), torch.nan_to_num(rewards).unsqueeze(1))


def whiten(values: torch.Tensor, mask: torch.Tensor, pools: torch.Tensor) -> torch.Tensor:
    """Zero mean and unit variance over the tokens of each pool, apart.

    A labelled question's reward mixes two parts and an unlabelled one's is the judge's alone, so the pools have
    different scales; whitening them together would turn that difference into advantage.

    Args:
        values, mask: `(B, T)`.
        pools: `(B,)` integers, a row's pool; negative rows are left out and get 0.
    """
    result = torch.zeros_like(values)
    for pool in pools.unique().tolist():
        inside = mask.bool() & (pools == pool).unsqueeze(1)
        if pool < 0 or not inside.any():
            continue
        part = values[inside]
        result[inside] = (part - part.mean()) / (part.std(correction=0) + 1e-8)
    return result
