"""Write a model whose matrices keep so many bits a weight: how `make weights` makes a weak judge of a good one.

    round_weights.py MODEL BITS OUTPUT

Rounding to nearest, with one scale a row (its largest weight), as in the plainest of post-training quantisation;
embeddings stay as they are, and nothing is packed: the weights are float32 with 2 ** BITS values a row.
"""

import sys
from pathlib import Path

import torch

from gavel.common.files import read_json, write_json
from gavel.data.origin import ORIGIN
from gavel.models import loading


def rounded(weights: torch.Tensor, bits: int) -> torch.Tensor:
    """A matrix, each of whose rows has the levels -2 ** (bits - 1) to 2 ** (bits - 1) - 1 times a scale of its own."""
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
