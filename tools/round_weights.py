"""Quantise a model's weight matrices to a given number of bits: `make weights` makes a weak judge from a good one.

    round_weights.py MODEL BITS OUTPUT

Plain post-training quantisation: round to nearest, with one scale per row (its largest weight). Embeddings are not
changed, and nothing is packed: the weights are float32 with 2 ** BITS values per row.
"""

import sys
from pathlib import Path

import torch

from gavel.common.files import read_json, write_json
from gavel.data.pretrain_check import ORIGIN
from gavel.models import loading


def rounded(weights: torch.Tensor, bits: int) -> torch.Tensor:
    """Round a matrix; each row gets the levels -2 ** (bits - 1) to 2 ** (bits - 1) - 1 times its own scale."""
    levels = 2 ** (bits - 1)
    scale = weights.abs().amax(1, keepdim=True) / levels
    return (weights / scale).round().clamp(-levels, levels - 1) * scale


def main(model: str, bits: int, output: str) -> None:
    loaded = loading.load_model(model)
    kept = {loaded.get_input_embeddings().weight, loaded.get_output_embeddings().weight}
    with torch.no_grad():
        for weights in loaded.parameters():
            if weights.ndim == 2 and weights not in kept:
                weights.copy_(rounded(weights, bits))
    loading.save(loaded, loading.load_tokenizer(model), output)
    write_json(Path(output, ORIGIN), read_json(Path(model, ORIGIN)) | {"rounded_to_bits": bits})


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
