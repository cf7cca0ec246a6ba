"""A stand-in for the two classes of vLLM that the library calls; it samples with transformers, on any machine."""

import os
from dataclasses import dataclass
from types import SimpleNamespace

import torch

from gavel.models import loading


@dataclass
class SamplingParams:
    n: int
    temperature: float
    max_tokens: int
    seed: int
    stop_token_ids: list[int]


class LLM:
    """As vLLM 0.1x: `generate` takes token ids and one set of parameters a prompt.

    As one with most of a GPU's memory it is alone in its process; `STARTED` names a file that counts the engines.
    """

    started = False

    def __init__(
        self,
        model,
        dtype,
        trust_remote_code,
        gpu_memory_utilization,
        tensor_parallel_size,
        max_model_len,
        enforce_eager,
        enable_chunked_prefill=None,
    ):
        assert trust_remote_code is False
        if LLM.started:
            raise RuntimeError("no memory left for a second engine")
        LLM.started = True
        if "STARTED" in os.environ:
            with open(os.environ["STARTED"], "a") as handle:
                handle.write(f"{model}\n")
        self.model = loading.load_model(model, dtype=dtype)

    def generate(self, prompts, params, use_tqdm):
        found = []
        for prompt, own in zip(prompts, params, strict=True):
            torch.manual_seed(own.seed)
            ids = torch.tensor([prompt["prompt_token_ids"]] * own.n)
            options = {"temperature": own.temperature} if own.temperature else {}
            out = self.model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=own.temperature > 0,
                max_new_tokens=own.max_tokens,
                eos_token_id=own.stop_token_ids,
                pad_token_id=own.stop_token_ids[0],
                **options,
            )[:, ids.shape[1] :].tolist()
            end = own.stop_token_ids[0]
            rows = [row[: row.index(end) + 1] if end in row else row for row in out]
            found.append(SimpleNamespace(outputs=[SimpleNamespace(token_ids=tuple(row)) for row in rows]))
        return found
