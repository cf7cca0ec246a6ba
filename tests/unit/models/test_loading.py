"""Incomplete or damaged weights: each fault is one readable error, and no weight is initialized at random."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from gavel.common.errors import InputError
from gavel.models import loading
from helpers import architectures

UP = "model.layers.0.mlp.up_proj.weight"
EMBEDDING = "model.embed_tokens.weight"


def weights(change):
    """A fault in the tensors of model.safetensors."""

    def break_it(folder):
        found = load_file(folder / "model.safetensors")
        change(found)
        save_file(found, folder / "model.safetensors", metadata={"format": "pt"})

    return break_it


def cut(name, size):
    """A file that ends too early."""

    def break_it(folder):
        path = folder / name
        path.write_bytes(path.read_bytes()[:size])

    return break_it


def shards(change):
    """A fault in one of several weight files, or in their index."""

    def break_it(folder):
        loading.load_model(str(folder)).save_pretrained(folder, max_shard_size="50KB")
        (folder / "model.safetensors").unlink(missing_ok=True)
        change(sorted(folder.glob("model-*.safetensors"))[1], folder / "model.safetensors.index.json")

    return break_it


def pickled(size):
    """Weights in torch's own format that end too early."""

    def break_it(folder):
        found = load_file(folder / "model.safetensors")
        (folder / "model.safetensors").unlink()
        torch.save(found, folder / "pytorch_model.bin")
        cut("pytorch_model.bin", size)(folder)

    return break_it


def settings(**changes):
    """Other values in config.json."""

    def break_it(folder):
        found = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(found | changes))

    return break_it


def one_value(name, number):
    def change(found):
        found[name][0] = number

    return weights(change)


FAULTS = {
    "missing": (weights(lambda found: found.pop(UP)), f"not complete: no {UP};"),
    "missing embedding": (weights(lambda found: found.pop(EMBEDDING)), "not complete: no lm_head.weight"),
    "all of another model": (
        weights(lambda found: [found.update({f"other.{name}": found.pop(name)}) for name in list(found)]),
        r"not complete: no .* \(and \d+ more\)",
    ),
    "more layers wanted": (settings(num_hidden_layers=3), "not complete: no model.layers.2.*and 8 more"),
    "shape": (
        weights(lambda found: found.update({UP: found[UP][:5].clone()})),
        rf"do not fit its config.json: {UP} has shape \(5, 32\), expected \(96, 32\)",
    ),
    "shape wanted": (settings(hidden_size=64), "do not fit its config.json"),
    "NaN": (one_value(UP, torch.nan), f"are not all finite: {UP} has NaN or infinite"),
    "infinite": (one_value("model.norm.weight", torch.inf), "are not all finite: model.norm.weight"),
    "NaN embedding": (one_value(EMBEDDING, torch.nan), f"are not all finite: {EMBEDDING}"),
    "cut header": (cut("model.safetensors", 300), "no model can be loaded"),
    "cut": (cut("model.safetensors", -100), "no model can be loaded"),
    "empty": (cut("model.safetensors", 0), "no model can be loaded"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "no model can be loaded"),
    "lost shard": (shards(lambda shard, index: shard.unlink()), "no model can be loaded"),
    "cut shard": (shards(lambda shard, index: cut(shard.name, -50)(shard.parent)), "no model can be loaded"),
    "empty shard": (shards(lambda shard, index: cut(shard.name, 0)(shard.parent)), "no model can be loaded"),
    "cut index": (shards(lambda shard, index: cut(index.name, 60)(index.parent)), "no model can be loaded"),
    "cut pickle": (pickled(4000), "no model can be loaded"),
    "longer cut pickle": (pickled(60_000), "no model can be loaded"),
    "cut config": (cut("config.json", 40), "no model can be loaded"),
    "wrong type in the config": (settings(num_attention_heads="x"), "no model can be loaded"),
    "code of its own": (
        settings(model_type="own", auto_map={"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"}),
        "no model can be loaded .*custom code",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_weights_that_are_not_whole_are_one_readable_error(fault, tiny, tmp_path, capsys):
    break_it, message = FAULTS[fault]
    folder = tmp_path / "broken"
    shutil.copytree(tiny, folder)
    break_it(folder)
    capsys.readouterr()
    with pytest.raises(InputError, match=rf"^judge.model: .*{message}") as caught:
        loading.load_model(str(folder), key="judge.model")
    assert str(folder) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert "newly initialized" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", ["", '{"version": "1.0", "tru', '{"version": "1.0", "model": {"type": "None"}}', "7"]
)
def test_a_broken_tokenizer_is_one_readable_error(content, tiny, tmp_path):
    shutil.copytree(tiny, tmp_path / "broken")
    (tmp_path / "broken" / "tokenizer.json").write_text(content)
    with pytest.raises(InputError, match=r"^student.model: no tokenizer can be loaded from .*broken") as caught:
        loading.load_tokenizer(str(tmp_path / "broken"))
    assert len(str(caught.value).splitlines()) == 1


def with_tokens(folder, special: list[str], **named: str) -> str:
    """A tokenizer of words with these special tokens, some of which it names; returns its folder."""
    words = {word: number for number, word in enumerate([*special, "yes", "no"])}
    backend = Tokenizer(WordLevel(words, unk_token=named.get("unk_token", "yes")))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, **named)
    tokenizer.add_special_tokens({"additional_special_tokens": special}, replace_extra_special_tokens=False)
    tokenizer.save_pretrained(folder)
    return str(folder)


LLAMA3 = ["<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|finetune_right_pad_id|>"]
CHATML = "{{ '<|im_start|>' + messages[0]['content'] + '<|im_end|>' }}"


@pytest.mark.parametrize(
    ("special", "named", "chosen"),
    [
        # SmolLM2-Instruct
        (
            ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>"],
            {"eos_token": "<|im_end|>", "pad_token": "<|im_end|>", "bos_token": "<|im_start|>"}
            | {"unk_token": "<|endoftext|>", "chat_template": CHATML},
            "<|endoftext|>",
        ),
        # Llama 3.1-Instruct, and Llama 3-Instruct, which has no token for padding
        ([*LLAMA3, "<|eot_id|>"], {"eos_token": "<|eot_id|>"}, "<|finetune_right_pad_id|>"),
        ([*LLAMA3[:3], "<|eot_id|>"], {"eos_token": "<|eot_id|>"}, "<|reserved_special_token_0|>"),
        # Llama 2 and Mistral
        (["<unk>", "<s>", "</s>"], {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}, "<unk>"),
        # A token that the chat template writes is not free.
        (["<pad_user>", "<|end|>", "<other>"], {"eos_token": "<|end|>", "chat_template": "<pad_user>"}, "<other>"),
        (["<pad>", "</s>"], {"eos_token": "</s>", "pad_token": "<pad>"}, None),
    ],
)
def test_a_free_special_token_pads_where_the_tokenizer_has_none_of_its_own(tmp_path, capsys, special, named, chosen):
    path = with_tokens(tmp_path, special, **named)
    tokenizer = loading.load_tokenizer(path)
    assert tokenizer.pad_token == (chosen or named["pad_token"])
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    assert len(tokenizer) == len(special) + 2
    said = capsys.readouterr().err
    assert (f"{chosen!r} is used for padding" in said) if chosen else not said
    tokenizer.save_pretrained(tmp_path / "trained")  # whose tokenizer needs no choice any more
    assert loading.load_tokenizer(str(tmp_path / "trained")).pad_token == tokenizer.pad_token
    assert not capsys.readouterr().err


def test_a_token_that_ends_responses_or_has_no_embedding_is_not_free(tmp_path):
    special = ["</s>", "<unused0>", "<other>", "<pad>"]
    path = with_tokens(tmp_path, special, eos_token="</s>")
    (tmp_path / "config.json").write_text('{"model_type": "llama", "vocab_size": 3}')
    assert loading.load_tokenizer(path).pad_token == "<unused0>"
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [0, 1]}')
    assert loading.load_tokenizer(path).pad_token == "<other>"
    assert loading.load_tokenizer(path, pad_token="<pad>").pad_token == "<pad>"


def test_without_a_free_token_the_key_is_named(tmp_path):
    path = with_tokens(tmp_path, ["<|endoftext|>"], eos_token="<|endoftext|>", pad_token="<|endoftext|>")
    with pytest.raises(InputError, match="^judge.model: .* no special token that is free .* set judge.pad_token to a"):
        loading.load_tokenizer(path, key="judge.model")
    assert loading.load_tokenizer(path, pad_token="yes").pad_token == "yes"


def test_weights_too_large_for_half_precision_say_so(tiny, tmp_path):
    shutil.copytree(tiny, tmp_path / "large")
    one_value(UP, 1e6)(tmp_path / "large")
    loading.load_model(str(tmp_path / "large"))
    with pytest.raises(InputError, match="in torch.float16; try dtype float32"):
        loading.load_model(str(tmp_path / "large"), dtype="float16")


def test_weights_that_the_model_has_no_use_for_are_said(tiny, tmp_path, capsys):
    shutil.copytree(tiny, tmp_path / "more")
    weights(lambda found: found.update({"value_head.weight": torch.ones(2)}))(tmp_path / "more")
    loading.load_model(str(tmp_path / "more"))
    assert "value_head.weight not used by a LlamaForCausalLM" in capsys.readouterr().err


def test_no_model_and_no_tokenizer_may_bring_its_own_code(tiny, monkeypatch):
    asked = []
    for loader in (loading.AutoTokenizer, loading.AutoModelForCausalLM):
        original = loader.from_pretrained

        def seen(*arguments, original=original, **options):
            asked.append(options.get("trust_remote_code"))
            return original(*arguments, **options)

        monkeypatch.setattr(loader, "from_pretrained", seen)
    loading.load_tokenizer(tiny)
    loading.load_model(tiny)
    assert asked == [False, False]


@pytest.mark.parametrize("kind", architectures.OWN)
def test_whole_weights_of_every_architecture_are_taken(kind, tmp_path):
    built = architectures.build(kind)
    built.save_pretrained(tmp_path)
    loaded = loading.load_model(str(tmp_path))
    state = loaded.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in built.state_dict().items())
    assert loading.context_of(str(tmp_path)) == 256
