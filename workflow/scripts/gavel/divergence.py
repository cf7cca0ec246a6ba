"""How sure a policy is of its completions, and how far it has moved from the one that it started from."""

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel


@torch.inference_mode()
def entropy_and_kl(
    policy: PreTrainedModel,
    reference: PreTrainedModel | None,
    prompts: Sequence[Sequence[int]],
    completions: Sequence[Sequence[int]],
    *,
    pad: int,
    rows: int = 32,
) -> tuple[float, float | None]:
    """Means over the tokens of completions, in nats a token.

    Args:
        reference: the policy at its start; None leaves the divergence out.
        prompts, completions: N lists of token ids; a prompt has at least one.
        rows: sequences in one forward pass (whole vocabularies of float32 are held for each token).

    Returns:
        entropy, and KL(policy || reference) summed over the whole vocabulary at every token that the policy wrote (not
        estimated from its samples).
    """
    entropy, kl, count = 0.0, 0.0, 0
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]) + len(completions[i]))
    training = policy.training
    policy.eval()
    for start in range(0, len(order), rows):
        part = order[start : start + rows]
        texts = [[*prompts[i], *completions[i]] for i in part]
        width = max(map(len, texts))
        ids = torch.tensor([text + [pad] * (width - len(text)) for text in texts], device=policy.device)
        mask = torch.tensor([[1] * len(text) + [0] * (width - len(text)) for text in texts], device=policy.device)
        written = torch.zeros(mask.shape, dtype=torch.bool)
        for row, i in enumerate(part):
            written[row, len(prompts[i]) - 1 : len(texts[row]) - 1] = True  # the positions that predict its tokens
        logs = _log_probabilities(policy, ids, mask, written)
        probabilities = logs.exp()
        entropy -= (probabilities * logs).sum().item()
        if reference is not None:
            kl += (probabilities * (logs - _log_probabilities(reference, ids, mask, written))).sum().item()
        count += len(logs)
    policy.train(training)
    count = max(count, 1)
    return entropy / count, None if reference is None else kl / count


def _log_probabilities(model: PreTrainedModel, ids: torch.Tensor, mask: torch.Tensor, where: torch.Tensor):
    """`(tokens, V)` log-probabilities at the marked positions; right padding is never attended to."""
    logits = model(ids.to(model.device), attention_mask=mask.to(model.device), use_cache=False).logits
    return torch.log_softmax(logits[where.to(logits.device)].float(), -1)
