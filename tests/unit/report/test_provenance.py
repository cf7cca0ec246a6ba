"""What the report says about where its models come from."""

import json

from gavel.report import provenance


def test_a_pad_token_that_the_jobs_chose_is_in_the_provenance(study):
    root, config = study
    config = config | {"student": config["student"] | {"model": str(root / "start")}}

    def write(folder, pad):
        folder.mkdir(parents=True, exist_ok=True)
        tokens = {"eos_token": "<|im_end|>", "pad_token": pad}
        (folder / "tokenizer_config.json").write_text(json.dumps(tokens))

    def padding():
        return provenance.gather(config | {"results_dir": str(root)}, "page")["provenance"]["padding"]

    write(root / "start", "<|im_end|>")
    assert padding() == {}
    write(root / "runs/sft/best", "<|endoftext|>")
    assert padding() == {"student": "<|endoftext|> (its tokenizer pads with <|im_end|>, also its end token)"}
    write(root / "start", None)
    assert padding() == {"student": "<|endoftext|> (its tokenizer has no pad token)"}
    config["student"]["pad_token"] = "<|endoftext|>"
    assert padding() == {}
