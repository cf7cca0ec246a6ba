"""Log-probabilities of chosen tokens from hidden states, without the logits of a whole batch.

TRL's fused head does the same with Triton on a GPU. Elsewhere it scores every position, prompts included, in some
twenty passes over the logits. The function here takes the positions that matter and computes their logits in tiles, in
the forward pass and again in the backward pass.
"""

from typing import Any, NamedTuple

import torch
from torch.nn.functional import linear
from transformers import PreTrainedModel

from gavel.models.loading import logits_agree

# Logits in memory at a time: 4 MB, about what a CPU core's cache holds; but at least so many rows, because each tile
# reads the whole head.
TILE, MIN_ROWS = 2**20, 256


class TokenScores(NamedTuple):
    """What a head says of chosen tokens, each `(N,)`.

    Attributes:
        log_probs: float32.
        entropies: of the distributions that the tokens come from, in nats; float32.
        most_probable: whether no token has a higher probability; without a gradient.
    """

    log_probs: torch.Tensor
    entropies: torch.Tensor
    most_probable: torch.Tensor


@torch.no_grad()
def has_plain_head(model: PreTrainedModel) -> bool:
    """Whether the logits are the head's product with the trunk's hidden states (Gemma and Granite change them)."""
    head, ids = model.get_output_embeddings(), torch.tensor([[2, 3, 4]], device=model.device)
    if type(head) is not torch.nn.Linear:
        return False
    hidden = model.base_model(ids, use_cache=False).last_hidden_state
    return logits_agree(model, head(hidden), model(ids, use_cache=False).logits)


def token_log_probs(
    hidden: torch.Tensor, head: torch.nn.Linear, targets: torch.Tensor, temperature: float = 1.0
) -> TokenScores:
    """Score tokens with a language-model head.

    Args:
        hidden: `(N, H)` hidden states of the positions that predict the tokens.
        head: the language-model head, `V` logits wide.
        targets: `(N,)` token ids.
        temperature: divides the logits.
    """
    if torch.is_autocast_enabled(hidden.device.type):
        hidden = hidden.to(torch.get_autocast_dtype(hidden.device.type))
    with torch.autocast(hidden.device.type, enabled=False):
        return TokenScores(*_TokenLogProbs.apply(hidden, head.weight, head.bias, targets, temperature))


class _TokenLogProbs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        temperature: float,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        ctx.save_for_backward(hidden, weight, bias, targets)
        ctx.temperature = temperature
        weight, bias = _as(hidden, weight, bias)
        chosen = hidden.new_empty(len(hidden), dtype=torch.float32)
        entropy, most_probable = torch.empty_like(chosen), torch.empty_like(chosen, dtype=torch.bool)
        for rows in _tiles(len(hidden), len(weight)):
            logs = torch.log_softmax(_logits(hidden[rows], weight, bias, temperature), -1)
            chosen[rows] = logs.gather(1, targets[rows, None]).squeeze(1)
            most_probable[rows] = chosen[rows] >= logs.amax(-1)
            entropy[rows] = -torch.linalg.vecdot(logs.exp(), logs)
        ctx.mark_non_differentiable(most_probable)
        ctx.set_materialize_grads(False)
        return chosen, entropy, most_probable

    @staticmethod
    def backward(
        ctx: Any, for_chosen: torch.Tensor | None, for_entropy: torch.Tensor | None, *_: torch.Tensor
    ) -> tuple[torch.Tensor | None, ...]:
        hidden, weight, bias, targets = ctx.saved_tensors
        for_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for_weight = torch.zeros_like(weight, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        for_bias = torch.zeros_like(bias, dtype=torch.float32) if ctx.needs_input_grad[2] else None
        head = _as(hidden, weight, bias)  # once, not for each tile
        for rows in _tiles(len(hidden), len(weight)):
            change = _logits_gradient(
                _logits(hidden[rows], *head, ctx.temperature),
                targets[rows, None],
                None if for_chosen is None else for_chosen[rows, None],
                None if for_entropy is None else for_entropy[rows, None],
            ).div_(ctx.temperature)
            if for_bias is not None:
                for_bias += change.sum(0)
            change = change.to(hidden.dtype)
            if for_hidden is not None:
                for_hidden[rows] = change @ head[0]
            if for_weight is not None:
                for_weight.addmm_(change.T.float(), hidden[rows].float())
        return (
            for_hidden,
            None if for_weight is None else for_weight.to(weight.dtype),
            None if for_bias is None else for_bias.to(bias.dtype),
            None,
            None,
        )


def _logits_gradient(
    logits: torch.Tensor, targets: torch.Tensor, for_chosen: torch.Tensor | None, for_entropy: torch.Tensor | None
) -> torch.Tensor:
    """The gradient `(rows, V)` with respect to logits, from those `(rows, 1)` of log-probabilities and entropies.

    Of the log-probability of token t it is one-hot(t) - p, of the entropy H it is -p * (log p + H).
    """
    if for_entropy is None:
        assert for_chosen is not None  # autograd calls backward with a gradient
        change = torch.softmax(logits, -1).mul_(-for_chosen)
    else:
        logs = torch.log_softmax(logits, -1)
        probabilities = logs.exp()
        entropy = -torch.linalg.vecdot(probabilities, logs).unsqueeze(1)
        weights = (logs + entropy).mul_(for_entropy)
        change = probabilities.mul_(-(weights if for_chosen is None else weights.add_(for_chosen)))
    return change if for_chosen is None else change.scatter_add_(1, targets, for_chosen)


def _as(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """A head's weight and bias in the dtype of the hidden states."""
    return weight.to(hidden.dtype), None if bias is None else bias.to(hidden.dtype)


def _logits(hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, temperature: float) -> torch.Tensor:
    """Float32 logits `(rows, V)`."""
    logits = linear(hidden, weight, bias).float()
    return logits if temperature == 1.0 else logits.div_(temperature)


def _tiles(rows: int, vocabulary: int) -> list[slice]:
    size = max(MIN_ROWS, TILE // vocabulary)
    return [slice(start, start + size) for start in range(0, rows, size)]
