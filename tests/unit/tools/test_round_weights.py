"""The weak judge that is shipped: what it was made from, and how."""

import torch
from safetensors.torch import load_file

import round_weights
from gavel.common.paths import ROOT

SHIPPED = ROOT / "resources" / "models"


def test_a_row_keeps_as_many_levels_as_its_bits_have():
    weights = torch.tensor([[0.1, -0.9, 0.6, 1.0], [0.3, -2.0, 1.6, -1.4]])
    assert round_weights.rounded(weights, 2).tolist() == [[0.0, -1.0, 0.5, 0.5], [0.0, -2.0, 1.0, -1.0]]


def test_the_shipped_weak_judge_is_the_good_one_in_two_bits(tmp_path):
    round_weights.main(str(SHIPPED / "judges"), 2, str(tmp_path / "weak"))
    made, shipped = (
        load_file(folder / "model.safetensors") for folder in (tmp_path / "weak", SHIPPED / "two-bit-judge")
    )
    assert made.keys() == shipped.keys() and all(torch.equal(made[name], shipped[name]) for name in made)
    assert (tmp_path / "weak/gavel.json").read_bytes() == (SHIPPED / "two-bit-judge/gavel.json").read_bytes()
    matrix = shipped["model.layers.0.self_attn.q_proj.weight"]
    assert max(len(row.unique()) for row in matrix) <= 4
