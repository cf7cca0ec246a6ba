"""GGUF files as models: converted to plain folders with the same logits, and faults told in one line."""

import json

import pytest
import torch

from gavel.common.errors import InputError
from gavel.models import gguf, loading
from helpers import llama

TEMPLATE = "{% for message in messages %}[{{ message['role'] }}] {{ message['content'] }}{% endfor %}"


@pytest.fixture(scope="module")
def weights():
    return llama.model()


@pytest.fixture
def file(weights, tmp_path):
    """Call it with options of `helpers.llama.write` for a GGUF file's path."""

    def write(**options) -> str:
        path = tmp_path / "tiny.gguf"
        llama.write(weights, path, **options)
        return str(path)

    return write


def logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.tensor([[1, 70, 80, 260, 261]])).logits[0]


def test_a_file_becomes_a_plain_folder_of_the_same_model(file, weights, tmp_path):
    gguf.convert(file(chat_template=TEMPLATE), tmp_path / "made", key="student.model", dtype="float32")
    about = json.loads((tmp_path / "made/config.json").read_text())
    assert about["model_type"] == "llama" and "quantization_config" not in about
    assert about["max_position_embeddings"] == llama.CONTEXT
    model = loading.load_model(str(tmp_path / "made"))
    assert model.dtype == torch.float32 and all(value.requires_grad for value in model.parameters())
    torch.testing.assert_close(logits(model), logits(weights))
    tokenizer = loading.load_tokenizer(str(tmp_path / "made"))
    assert tokenizer.convert_ids_to_tokens([1, 2, 259]) == ["<s>", "</s>", "▁Yes"]
    assert tokenizer.chat_template == TEMPLATE
    model.save_pretrained(tmp_path / "again")  # as a training job does
    assert not list(tmp_path.glob(".made*"))


def test_quantised_weights_are_dequantised(file, weights, tmp_path):
    path = file(quantized=True)
    gguf.convert(path, tmp_path / "made", key="judge.model", dtype="bfloat16")
    model = loading.load_model(str(tmp_path / "made"), dtype="bfloat16")
    exact, coarse = weights.model.layers[0].mlp.up_proj.weight, model.model.layers[0].mlp.up_proj.weight
    assert 0 < (exact - coarse.float()).abs().max() < 0.01 * exact.abs().max()
    assert json.loads((tmp_path / "made/config.json").read_text())["dtype"] == "bfloat16"


def test_a_file_is_loaded_directly_too(file, weights):
    path = file()
    torch.testing.assert_close(logits(loading.load_model(path)), logits(weights))
    assert loading.load_tokenizer(path).eos_token == "</s>"
    assert loading.load_tokenizer(path).padding_side == "left"


def test_the_header_gives_the_models_size(file, weights):
    header = gguf.check(file(quantized=True), "student.model")
    assert header.parameters == sum(value.numel() for value in weights.parameters())
    assert (header.architecture, header.value("block_count"), header.value("embedding_length")) == ("llama", 2, 32)
    assert header.values["tokenizer.ggml.tokens"] == len(llama.WORDS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"architecture": "abacus"}, "has the architecture 'abacus', which transformers cannot read .*llama"),
        ({"vocabulary": False}, "has no tokenizer"),
        ({"parts": 3}, "is one of 3 parts of a model; join them"),
        ({"without": "blk.1.ffn_up.weight"}, "not complete: no model.layers.1.mlp.up_proj.weight"),
    ],
)
def test_a_file_that_cannot_be_a_model_is_one_line(file, tmp_path, options, message):
    with pytest.raises(InputError, match=rf"^student.model: .*tiny.gguf.*{message}") as caught:
        gguf.convert(file(**options), tmp_path / "made", key="student.model", dtype="float32")
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("left", [0, 3, 20, 200, 9000, -1])
def test_a_truncated_file_is_one_line(file, tmp_path, left):
    path = tmp_path / "cut.gguf"
    with open(file(), "rb") as handle:
        path.write_bytes(handle.read()[:left])
    what = "a complete" if left not in (0, 3) else "a"
    with pytest.raises(InputError, match=rf"^judge.model: .*cut.gguf is not {what} GGUF file; download or copy it"):
        gguf.check(path, "judge.model")


def test_a_file_that_is_not_there_or_something_else_is_said(tmp_path):
    with pytest.raises(InputError, match="none.gguf cannot be read"):
        gguf.check(tmp_path / "none.gguf", "judge.model")
    (tmp_path / "text.gguf").write_text("version https://git-lfs.github.com/spec/v1\n" * 9)
    with pytest.raises(InputError, match="text.gguf is not a GGUF file"):
        gguf.check(tmp_path / "text.gguf", "judge.model")


@pytest.mark.parametrize("name", ["qwen2moe", "gpt-oss", "lfm2"])
def test_architectures_are_known_by_either_spelling(file, name):
    assert gguf.check(file(architecture=name), "student.model").architecture == name
