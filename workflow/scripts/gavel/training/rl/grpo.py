"""TRL's GRPOTrainer with each prompt computed once for its group of completions.

TRL's own `_generate_and_score_completions` computes the advantages: a completion's reward minus the mean of its group,
divided as `scale_rewards` says. The override here calls it, and on request adds the KL term of each token and RLOO's
factor n / (n - 1), which makes the baseline the mean of the group's others. `gavel.training.rl.ppo` replaces the
advantages.

TRL scores every completion with its own copy of the prompt, padded to the longest of its batch. When completions are as
short as programs are, three quarters of those tokens are repeated or padding. To avoid this, a rollout's groups stay
together when TRL cuts it into micro-batches, and a micro-batch is packed (`gavel.training.packing`) before the model
sees it. Dropout is off, so that the ratio compares log-probabilities of the same network. The rewards come from
`gavel.training.rl.rewards`. Loss, logging and checkpoints are TRL's, and so are the numbers, up to rounding.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from transformers import PreTrainedModel
from trl import GRPOTrainer

from gavel.common.log import info
from gavel.models.loading import disable_dropout
from gavel.training import lora
from gavel.training.log_probs import has_plain_head
from gavel.training.packing import PackedBatch, pack, packable, score
from gavel.training.rl.rollout_recorder import RolloutRecorder

ROW = "rollout_row"  # a completion's place in its process's part of the rollout, which TRL shuffles


class QuestionFilter(Protocol):
    """Decides what a rollout learns from (`gavel.training.rl.group_filter.FilteredRollout`)."""

    def choose(self, rows: Sequence[dict[str, Any]], trainer: GRPOTrainer) -> list[dict[str, Any]]:
        """The rows of the rollout, some of them replaced by those of other questions."""


class PackedGRPOTrainer(GRPOTrainer):
    """GRPOTrainer that packs groups if the model allows it, and is TRL's own if it does not.

    On a CPU, log-probabilities come from `gavel.training.log_probs`, and completions share the tokens in which they
    begin. Elsewhere they come from TRL's fused head, which takes one label per position.

    Args:
        leave_one_out: compare a reward with the mean of the group's others instead of the mean of all.
        kl_in_reward: TRL's `beta` weights log(policy / reference) of every token in the reward, instead of a KL term in
            the loss. Needs rewards that are not divided by their spread.
        special_tokens: whether the tokenizer adds special tokens to a prompt when TRL tokenises it, which it does for
            vLLM; texts made with a chat template have them already.
        correction: `(rollout, TRL's metrics) -> further metrics` of its importance-sampling correction.
        recorder: keeps the rollouts.
        group_filter: replaces questions whose completions carry no signal; it is also TRL's `rollout_func`.
    """

    beta: float
    _buffered_inputs: list[dict[str, Any]]
    _logps: torch.Tensor  # `(B, T)`: the log-probabilities that were computed last

    def __init__(
        self,
        *args: Any,
        model: PreTrainedModel,
        leave_one_out: bool = False,
        kl_in_reward: bool = False,
        special_tokens: bool = True,
        correction: Callable[[dict[str, Any], Mapping[str, list[float]]], Mapping[str, float]] | None = None,
        recorder: RolloutRecorder | None = None,
        group_filter: QuestionFilter | None = None,
        **kwargs: Any,
    ):
        self.leave_one_out, self.kl_in_reward, self.correction = leave_one_out, kl_in_reward, correction
        self.special_tokens, self.recorder, self.group_filter = special_tokens, recorder, group_filter
        self.packs = packable(model)
        if not self.packs:
            info(
                f"{type(model).__name__}: completions cannot share a prompt's computation, so each is scored separately"
            )
        own_head = self.packs and model.device.type == "cpu" and has_plain_head(model)
        super().__init__(*args, model=model, **kwargs)
        if recorder is not None:
            self.add_callback(recorder)
        # Several processes have to call the model through the wrapper that reduces their gradients.
        self.own_head = own_head and self.accelerator.num_processes == 1
        for network in (self.model, self.ref_model):  # now that the adapters are in the model
            if network is not None:
                disable_dropout(self.accelerator.unwrap_model(network))

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        ids = self.processing_class(text=prompts, add_special_tokens=self.special_tokens)["input_ids"]
        return ids, None, {}

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        self._rewards: torch.Tensor = super()._calculate_rewards(*args, **kwargs)
        return self._rewards

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        if self.group_filter is not None:
            inputs = self.group_filter.choose(inputs, self)
        output = self._rewarded_rollout(inputs)
        if self.recorder is not None:
            self.recorder.begin(output, self.state.global_step, self.eos_token_ids)
            output[ROW] = torch.arange(len(inputs), device=output["completion_ids"].device)
        return output

    def _rewarded_rollout(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Sample and reward a rollout, and compute its advantages."""
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        if self.correction is not None:
            for name, value in self.correction(output, self._metrics["train"]).items():
                self._metrics["train"][name].append(value)
        if self.beta and self.kl_in_reward:
            output["kl_rewards"] = self._kl_rewards(output)
            rewarded = ~torch.isnan(self.local_rewards(len(inputs)))
            sums = (output["kl_rewards"].sum(1) * rewarded).view(-1, self.num_generations)
            count = rewarded.view(-1, self.num_generations).sum(1, keepdim=True).clamp(min=1)
            centred = (sums - sums.sum(1, keepdim=True) / count).flatten() * rewarded
            output["advantages"] = output["advantages"] + centred
        if self.leave_one_out:  # r - mean of the others = (r - mean of all) * n / (n - 1)
            output["advantages"] = output["advantages"] * self.num_generations / (self.num_generations - 1)
        return output

    def local_rewards(self, count: int) -> torch.Tensor:
        """`(count,)` rewards of this process's completions, NaN where missing."""
        first = self.accelerator.process_index * count
        return self._rewards[first : first + count, 0].to(self.accelerator.device)

    def _kl_rewards(self, output: Mapping[str, Any]) -> torch.Tensor:
        """`(B, T)`: minus beta times log(policy / reference) of each token (ReFT, Luong et al. 2024)."""
        mask, old = output["completion_mask"], output.get("old_per_token_logps")
        if old is None:  # TRL leaves it out if there is one update per rollout
            tokens = torch.cat([output["prompt_ids"], output["completion_ids"]], dim=1)
            full_mask = torch.cat([output["prompt_mask"], mask], dim=1)
            size = self.args.per_device_train_batch_size
            with torch.no_grad():
                old, _, _ = self._get_per_token_logps_and_entropies(self.model, tokens, full_mask, mask.shape[1], size)
        difference = (old - output["ref_per_token_logps"]) * mask
        mean = difference.sum() / mask.sum().clamp(min=1)
        self._metrics["train"]["kl"].append(self.accelerator.gather(mean).mean().item())
        return -self.beta * difference

    def _compute_loss(self, model: torch.nn.Module, inputs: Mapping[str, Any]) -> torch.Tensor:
        beta, self.beta = self.beta, 0.0 if self.kl_in_reward else self.beta
        try:
            loss = super()._compute_loss(model, inputs)
        finally:
            self.beta = beta
        # Without them, this is the only update on the rollout, and the policy is still the one that sampled it.
        if self.recorder is not None and inputs.get("old_per_token_logps") is None:
            self.recorder.add_logps(inputs[ROW], self._logps, inputs["completion_mask"])
        return loss

    def _prepare_inputs(self, generation_batch: list[dict[str, Any]]) -> Mapping[str, Any]:
        before = self._buffered_inputs
        inputs = super()._prepare_inputs(generation_batch)
        if not self.model.training or self._buffered_inputs is before:
            return inputs
        self._buffered_inputs = _regrouped(self._buffered_inputs)
        return self._buffered_inputs[self._step % self.args.steps_per_generation]

    def _get_per_token_logps_and_entropies(
        self,
        model: torch.nn.Module,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        compute_aux_loss: bool = False,
        **images: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        if not self.packs or compute_aux_loss or any(value is not None for value in images.values()):
            found = super()._get_per_token_logps_and_entropies(
                model,
                input_ids,
                attention_mask,
                logits_to_keep,
                batch_size,
                compute_entropy,
                compute_aux_loss,
                **images,
            )
            self._logps = found[0].detach()
            return found
        logps, entropies = [], []
        size = batch_size or len(input_ids)
        for start in range(0, len(input_ids), size):
            rows = slice(start, start + size)
            packed = self.packed(input_ids[rows], attention_mask[rows], logits_to_keep)
            with self.accelerator.autocast():
                log_probs, entropy = self._packed_log_probs(model, packed)
            logps.append(log_probs)
            entropies += [] if entropy is None else [entropy]
        joined = torch.cat(logps)
        self._logps = joined.detach()
        return joined, torch.cat(entropies) if compute_entropy else None, None

    def _packed_log_probs(
        self, model: torch.nn.Module, packed: PackedBatch
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Log-probabilities and entropies `(B, T)` of packed completions; TRL's head gives none of a reference."""
        plain = lora.base_model(self.accelerator.unwrap_model(model))
        if self.own_head:
            scores = score(plain, packed, self.temperature)
            return packed.spread(scores.log_probs), packed.spread(scores.entropies)
        inputs = {"input_ids": packed.ids, "attention_mask": packed.mask(plain), "position_ids": packed.positions}
        output = model(**inputs, shift_labels=packed.labels, fused_lm_head=True)
        entropy = None if output.entropy is None else packed.unpack(output.entropy)  # TRL's reference computes none
        return packed.unpack(output.log_probs), entropy

    def packed(self, tokens: torch.Tensor, mask: torch.Tensor, completion_length: int) -> PackedBatch:
        """Pack `(B, P + T)` tokens whose last `completion_length` columns hold the completions."""
        inside = mask.bool()
        split = tokens.shape[1] - completion_length
        prompts = [row[keep].tolist() for row, keep in zip(tokens[:, :split], inside[:, :split], strict=True)]
        completions = [row[keep].tolist() for row, keep in zip(tokens[:, split:], inside[:, split:], strict=True)]
        return pack(prompts, completions, tree=self.own_head, width=completion_length, device=tokens.device)


def _regrouped(batches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a shuffled rollout with each prompt's completions adjacent; prompts keep their shuffled order."""
    rollout = {
        name: torch.cat([batch[name] for batch in batches]) if _has_rows(value) else value
        for name, value in batches[0].items()
    }
    prompts = [tuple(row) for row in rollout["prompt_ids"].tolist()]
    rank = {prompt: i for i, prompt in reversed(list(enumerate(prompts)))}
    order = torch.tensor(sorted(range(len(prompts)), key=lambda row: rank[prompts[row]]))
    rows = order.to(rollout["prompt_ids"].device).split(len(prompts) // len(batches))
    return [{name: value[part] if _has_rows(value) else value for name, value in rollout.items()} for part in rows]


def _has_rows(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.ndim > 0
