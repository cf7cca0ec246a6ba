"""Checks of models, labels and prompts that take seconds, made before the first job of a run."""

from pathlib import Path

from gavel import prompts
from gavel.errors import InputError
from gavel.files import read_json
from gavel.provenance import file_digest

ORIGIN = "gavel.json"  # beside weights made from scratch: what they were made from


def check(student: dict, judge: dict, solution: dict) -> None:
    """Load tokenizers and prompts, and tokenise the judge's labels. Models that are yet to be made are passed over.

    Args:
        student: `model`, `pad_token`, `eos_token`.
        judge: the same, with `prompt`, `labels`, `chat`.
        solution: `prompt`.

    Raises:
        InputError: a prompt lacks its slots, a tokenizer is missing or lacks tokens, or a label is not one token.
    """
    prompts.load(solution["prompt"])
    template = prompts.load(judge["prompt"], ("question", "solution"))
    try:
        from gavel import models  # seconds of imports, which a dry-run does not pay
        from gavel.judge.single_token import label_token
    except ImportError:
        return  # Snakemake runs in an environment of its own (--sdm conda); the jobs check again
    for name, settings in (("student", student), ("judge", judge)):
        if settings["model"].endswith(f"models/{name}") and not Path(settings["model"]).exists():
            continue  # from scratch, by a rule of this run
        tokens = {key: settings.get(key) for key in ("pad_token", "eos_token")}
        tokenizer = models.load_tokenizer(settings["model"], key=f"{name}.model", **tokens)
        if name == "judge":
            text = prompts.fill(template, question="What is 1+1?", solution="2")
            if settings["chat"]:
                if tokenizer.chat_template is None:
                    raise InputError("judge.chat: the judge's tokenizer has no chat template; set judge.chat to false")
                message = [{"role": "user", "content": text}]
                text = tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
            ids = [label_token(tokenizer, text, label) for label in settings["labels"]]
            if ids[0] == ids[1]:
                raise InputError(f"judge.labels: {settings['labels']} are the same token; choose two words")


def check_origin(model: str, key: str, pretrain: str | Path) -> None:
    """Weights made by this workflow must have read this study's pretrain split, or its splits could leak into tests.

    Raises:
        InputError: they were made from another one.
    """
    origin = Path(model) / ORIGIN
    if not origin.is_file():
        return
    made, here = read_json(origin)["pretrain_sha256"], file_digest(pretrain)
    if made != here:
        raise InputError(
            f"{key}: {model} was made from another pretrain split ({made[:12]}) than the study's ({here[:12]}), "
            f"so it may have read test questions; restore data.pretrain or set {key} to scratch"
        )
