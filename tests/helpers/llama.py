"""A tiny Llama with random weights twice: as a GGUF file for llama.cpp's server, and as a Hugging Face model."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import gguf
import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

WORDS = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256)), "▁Yes", "▁No", "▁", "▁the"]
WIDTH, LAYERS, HEADS, CONTEXT = 32, 2, 4, 2048


def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        max_position_embeddings=CONTEXT,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
        pad_token_id=0,
    )
    made = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "norm" not in name:
                parameter.mul_(8)  # so that prompts are told apart
        # One dimension is the same for all tokens and speaks for the two labels, so that both are among the likeliest.
        made.model.embed_tokens.weight[:, 0] = 2.0
        made.lm_head.weight[:, 0] = 0.0
        made.lm_head.weight[[WORDS.index("▁Yes"), WORDS.index("▁No")], 0] = 2.0
    return made


def write(
    made: LlamaForCausalLM,
    path: Path,
    *,
    architecture: str = "llama",
    vocabulary: bool = True,
    quantized: bool = False,
    without: str = "",
    chat_template: str | None = None,
    parts: int = 1,
) -> None:
    """The model as llama.cpp reads it; its rotary embedding pairs neighbours, so queries and keys are reordered.

    `quantized`: matrices in blocks of 8 bits; `without`: a tensor to leave out; `parts`: pretend to be one of so many.
    """
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(64)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(WORDS))
    if parts > 1:
        writer.add_uint16("split.count", parts)
    if chat_template:
        writer.add_chat_template(chat_template)
    if vocabulary:
        writer.add_tokenizer_model("llama")
        writer.add_token_list(WORDS)
        writer.add_token_scores([0.0] * len(WORDS))
        kinds = [gguf.TokenType.UNKNOWN, *[gguf.TokenType.CONTROL] * 2, *[gguf.TokenType.BYTE] * 256]
        writer.add_token_types([*kinds, *[gguf.TokenType.NORMAL] * (len(WORDS) - len(kinds))])
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)
    names = {
        "input_layernorm": "attn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "post_attention_layernorm": "ffn_norm",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }
    weights = {name: value.detach().numpy().astype(np.float32) for name, value in made.named_parameters()}
    tensors = {
        "token_embd.weight": weights["model.embed_tokens.weight"],
        "output_norm.weight": weights["model.norm.weight"],
        "output.weight": weights["lm_head.weight"],
    }
    for layer in range(LAYERS):
        for here, there in names.items():
            value = weights[f"model.layers.{layer}.{here}.weight"]
            if here[-6:] in ("q_proj", "k_proj"):
                value = value.reshape(HEADS, 2, -1, WIDTH).swapaxes(1, 2).reshape(value.shape)
            tensors[f"blk.{layer}.{there}.weight"] = value
    tensors.pop(without, None)
    for name, value in tensors.items():
        value = np.ascontiguousarray(value)
        if quantized and value.ndim > 1:
            blocks = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(value, blocks), raw_dtype=blocks)
        else:
            writer.add_tensor(name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# As `judge.server.command` takes it.
COMMAND = [sys.executable, "-m", "llama_cpp.server", "--model", "{model}", "--host", "{host}", "--port", "{port}"]
COMMAND += ["--n_ctx", str(CONTEXT), "--logits_all", "true", "--n_threads", "1"]


class Server:
    """llama-cpp-python's OpenAI-compatible server as a process of its own on loopback."""

    def __init__(self, path: Path, log: Path, port: int | None = None):
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}/v1"
        places = {"{model}": str(path), "{host}": "127.0.0.1", "{port}": str(self.port)}
        command = [places.get(word, word) for word in COMMAND]
        with log.open("ab") as handle:
            self.process = subprocess.Popen(command, stdout=handle, stderr=handle, start_new_session=True)
        started = time.monotonic()
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/models", timeout=1).read()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > started + 60:
                    self.kill()
                    raise RuntimeError(f"llama.cpp's server did not start:\n{log.read_text()[-2000:]}") from None
                time.sleep(0.1)

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
