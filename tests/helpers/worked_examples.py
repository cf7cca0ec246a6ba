"""What another process does with the library after CONTRIBUTING's worked examples: each of them at work."""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForSequenceClassification

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl
from gavel.data.readers import READERS
from gavel.judge.load import load
from gavel.report.page import render
from helpers.fake_results import build
from helpers.fragments import check_fragments
from helpers.small_run import small_run


def reward_model(folder: Path, tokenizer: str) -> str:
    """A sequence classifier with random weights."""
    words = AutoTokenizer.from_pretrained(tokenizer)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_labels=1,
        pad_token_id=words.pad_token_id,
    )
    LlamaForSequenceClassification(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return str(folder)


def refusal(**settings) -> str:
    """The error of a judge that cannot be made."""
    try:
        load(kind="reward-model", **settings)
    except InputError as error:
        return str(error)
    return ""


def main(folder: str, tiny: str, page: str) -> None:
    """Print what came of it.

    Args:
        folder: has `rows.jsonl`, as `small_run` takes them.
        tiny: a model that is no reward model.
        page: the text with the worked examples.
    """
    root = Path(folder)
    model = reward_model(root / "judge", tiny)
    judge = load(kind="reward-model", model=model, max_tokens=20)
    verdicts = judge.verdicts(["1 + 1?", "1 + 1?", "1 + 1?"], ["2", "3", "4" * 30])
    study = build(root / "results", {"main": 20}, samples=2)
    render(root / "results", study, root / "page.html")
    found = {
        "run": small_run(root, tiny, list(read_jsonl(root / "rows.jsonl")), algorithm="cispo")["algorithm"],
        "scores": [verdict.score for verdict in verdicts],
        "prompts": judge.usage.prompts,
        "refused": [refusal(model=tiny), refusal(model=model, reasoning={"samples": 1})],
        "configs": check_fragments(Path(page).read_text(encoding="utf-8")),
        "record": READERS["math500"]({"problem": "1 + 1?", "solution": "2", "answer": "2.0", "subject": "Algebra"}),
        "figure": 'aria-label="fraction of groups: groups without signal' in (root / "page.html").read_text("utf-8"),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
