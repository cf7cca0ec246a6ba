"""Models of a few thousand random weights, one of each architecture that students and judges come in."""

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GROUPED = {"intermediate_size": 64, "num_key_value_heads": 2, "head_dim": 8}
OWN = {
    "llama": GROUPED,
    "qwen2": GROUPED,
    "gemma2": GROUPED | {"sliding_window": 8},
    "mistral": GROUPED | {"sliding_window": 8},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256},
    "bloom": {"n_layer": 2, "n_head": 4},
}

EAGER_ONLY = {"bloom", "gemma2"}
EVERY = [(kind, "eager") for kind in OWN] + [(kind, "sdpa") for kind in OWN if kind not in EAGER_ONLY]


def build(kind: str, attention: str = "eager", scale: float = 5, **changes) -> PreTrainedModel:
    """A model of this architecture in evaluation mode, the same at every call.

    Its random weights are scaled: as they come they are so small that attention hardly looks at anything.
    """
    torch.manual_seed(0)
    own = {name: value for name, value in SIZES.items() if kind != "gpt2" or not name.startswith(("num", "hidden"))}
    config = AutoConfig.for_model(kind, **own | OWN[kind] | changes)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)
    return model
