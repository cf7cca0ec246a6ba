"""Checks of models and judge that take seconds, run before the first hour of training."""

from pathlib import Path

from gavel import models, prompts
from gavel.convert import to_program
from gavel.errors import InputError
from gavel.files import read_json, read_jsonl
from gavel.judge.single_token import label_token
from gavel.provenance import file_digest

ORIGIN = "gavel.json"  # beside weights made from scratch: what they were made from


def check(*, student: dict, judge: dict, pretrain: str, labeled: str, prompt: str, solution_format: str) -> dict:
    """Load what can be loaded cheaply and compare what must agree.

    Args:
        student: `model`, `pad_token`, `eos_token`.
        judge: the same, with `prompt`, `labels`, `chat`.
        pretrain: JSONL of the split that models from scratch have read.
        labeled: JSONL of labelled rows; their solutions must be usable.

    Returns:
        Facts worth keeping: vocabulary sizes, label token ids.

    Raises:
        InputError: a tokenizer is missing or lacks tokens, a judge label is not one token, weights were made from
            another pretrain split, a prompt lacks its slots, or a labelled row has no usable solution.
    """
    prompts.load(prompt)
    template = prompts.load(judge["prompt"], ("question", "solution"))
    for number, row in enumerate(read_jsonl(labeled), start=1):
        if row.get("answer") is None:
            raise InputError(f"{labeled}:{number}: labelled row {row.get('id')} has no answer")
        if solution_format == "program" and to_program(row["solution"] or "", row["answer"], row["question"]) is None:
            raise InputError(f"{labeled}:{number}: the solution of labelled row {row['id']} does not give a program")
    found = {}
    for name, settings in (("student", student), ("judge", judge)):
        tokens = {key: settings.get(key) for key in ("pad_token", "eos_token")}
        tokenizer = models.load_tokenizer(settings["model"], key=f"{name}.model", **tokens)
        found[name] = {"model": settings["model"], "vocabulary": len(tokenizer)}
        check_origin(settings["model"], name, pretrain)
        if name == "judge":
            text = prompts.fill(template, question="What is 1+1?", solution="2")
            if settings["chat"]:
                if tokenizer.chat_template is None:
                    raise InputError("judge.chat: the judge's tokenizer has no chat template; set judge.chat to false")
                message = [{"role": "user", "content": text}]
                text = tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
            found[name]["labels"] = {label: label_token(tokenizer, text, label) for label in settings["labels"]}
    return found


def check_origin(model: str, name: str, pretrain: str) -> None:
    """Weights made by this workflow must have read this study's pretrain split, or its splits could leak into tests."""
    origin = Path(model) / ORIGIN
    if not origin.is_file():
        return
    made, here = read_json(origin)["pretrain_sha256"], file_digest(pretrain)
    if made != here:
        raise InputError(
            f"{name}.model: {model} was made from another pretrain split ({made[:12]}) than the study's ({here[:12]}), "
            f"so it may have read test questions; restore data.pretrain or set {name}.model to scratch"
        )
