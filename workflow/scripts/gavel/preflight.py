"""Checks of models, labels and prompts that take seconds, made before the first job of a run."""

from importlib.util import find_spec
from pathlib import Path

from gavel import prompts
from gavel.judge import KINDS
from gavel.judge.phrasings import example, phrasings
from gavel.requirements import need_gpus, need_packages


def check(student: dict, judge: dict, solution: dict, served: bool = False) -> None:
    """Load tokenizers and prompts, and tokenise the judge's labels. Models that are yet to be made are passed over.

    Args:
        student: `model`, `pad_token`, `eos_token`.
        judge: the same, with `kind`, `prompt`, `labels`, `swap_labels`, `reasoning`, `chat`,
            `chat_template_kwargs`.
        solution: `prompt`.
        served: the judge runs behind a server, which alone knows its tokenizer.

    Raises:
        InputError: a prompt lacks its slots, a tokenizer is missing or lacks tokens, a label is not one token, or the
            judge's chat template opens a thought.
    """
    templates = check_prompts(judge, solution)
    try:
        from gavel import models  # seconds of imports, which a dry-run does not pay
        from gavel.judge.labels import check_template, label_tokens, templated
    except ImportError:
        return  # Snakemake runs in an environment of its own (--sdm conda); the jobs check again
    here = {"student": student} | ({} if served else {"judge": judge})
    for name, settings in here.items():
        if settings["model"].endswith((f"models/{name}", f"hub/{name}")) and not Path(settings["model"]).exists():
            continue  # made or fetched by a rule of this run
        tokens = {key: settings.get(key) for key in ("pad_token", "eos_token")}
        tokenizer = models.load_tokenizer(settings["model"], key=f"{name}.model", **tokens)
        if name == "judge":
            for template in templates:
                text = example(template, KINDS[judge["kind"]].slots)
                if settings["chat"]:
                    check_template(tokenizer, text, settings.get("chat_template_kwargs"))
                shown = templated(tokenizer, text, settings["chat"], settings.get("chat_template_kwargs"))
                label_tokens(tokenizer, shown, settings["labels"], special=not settings["chat"])


def check_prompts(judge: dict, solution: dict) -> list[str]:
    """The judging prompts as templates; raises `InputError` where a prompt is missing or lacks its slots."""
    prompts.load(solution["prompt"])
    kind = KINDS[judge["kind"]]
    return phrasings(judge["prompt"], judge["labels"], judge["swap_labels"], kind.slots, bool(judge.get("reasoning")))


def check_training(sft: dict, rl: dict, compute: dict, evaluation: dict, here: bool) -> None:
    """Packages and GPUs of the training and sampling jobs.

    Args:
        sft, rl, compute, evaluation: sections of the config.
        here: the jobs run on this machine, not on a cluster's nodes.

    Raises:
        InputError: something that a key asks for is missing.
    """
    if find_spec("torch") is None:
        return  # Snakemake runs in an environment of its own (--sdm conda); the jobs check again
    need_packages(sft, rl, compute, evaluation)
    if here:
        need_gpus(sft, rl, compute, evaluation)
