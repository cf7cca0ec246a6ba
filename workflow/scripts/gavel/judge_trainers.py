"""TRL's trainers for judges, one function a method; what they learn from comes from `gavel.judge_training`."""

from collections.abc import Sequence

from datasets import Dataset
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from gavel import algorithms, batches, distributed, lora, models
from gavel.grpo import GroupTrainer
from gavel.judgments import both_orders, local
from gavel.rl import Rollout, reshuffled
from gavel.trl_config import trainer_config

VERDICT_TOKENS = 16  # room for what stands between a reasoning and the label, and for the label


class Preferred:
    """GRPO's reward of judgments: +1 where the label after the cue is the right one, else -1.

    Guo et al. 2025 pay +1 and -1; a judgment without a label has not preferred the right solution.
    """

    __name__ = "preferred"

    def __init__(self, cue: str):
        self.cue = cue

    def __call__(self, completions: Sequence[str], label: Sequence[str], **trl) -> list[float]:
        reached = [self.verdict(text) == own.strip() for text, own in zip(completions, label, strict=True)]
        if log := trl.get("log_metric"):
            log("preferred", sum(reached) / len(reached))
        return [1.0 if one else -1.0 for one in reached]

    def verdict(self, text: str) -> str | None:
        """The word after the cue; of a judge that answers at once the first word."""
        after = text if not self.cue.strip() else text.partition(self.cue.strip())[2]
        return next(iter(after.split()), None)


def _common(settings: dict, folder: str) -> dict:
    """What TRL's configs for SFT and DPO share."""
    micro, accumulate = batches.split(
        settings["batch_size"], distributed.processes(), settings["micro_batch_size"], "judge.self_taught"
    )
    return {
        "output_dir": folder,
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": accumulate,
        "max_steps": settings["steps"],
        "learning_rate": settings["learning_rate"],
        "lr_scheduler_type": "linear",
        "warmup_steps": _warmup(settings),
        "max_grad_norm": settings["max_grad_norm"],
        "bf16": settings["bf16"],
        "use_cpu": models.device().type == "cpu",
        "gradient_checkpointing": settings["gradient_checkpointing"],
        "ddp_find_unused_parameters": False,
        "max_length": None,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": settings["seed"],
    }


def _warmup(settings: dict) -> int:
    """A quarter of the steps at most: the first step of a warm-up moves nothing, and few examples make few steps."""
    return min(settings["warmup"], settings["steps"] // 4)


def _given(
    config: SFTConfig | DPOConfig, tokenizer, examples: Sequence[dict], settings: dict, keeper, key: str
) -> dict:
    """What TRL's trainers for SFT and DPO get beside the model; `key` is that of the adapters."""
    config._n_gpu = min(config.n_gpu, 1)  # or one process that sees several GPUs would train by DataParallel
    return {
        "args": config,
        "train_dataset": Dataset.from_list(examples),
        "processing_class": tokenizer,
        "callbacks": [keeper],
        "peft_config": lora.adapters(settings["lora"], key),
    }


def _sft(*, model, tokenizer, examples, settings, asked, folder, keeper) -> SFTTrainer:
    config = SFTConfig(
        **_common(settings, folder),
        completion_only_loss=True,
        eos_token=tokenizer.eos_token,
        pad_token=tokenizer.pad_token,
    )
    return SFTTrainer(model, **_given(config, tokenizer, examples, settings, keeper, "judge.self_taught.sft.lora"))


def _dpo(*, model, tokenizer, examples, settings, asked, folder, keeper) -> DPOTrainer:
    """DPO with a share of SFT on the chosen judgment, which Wang et al. scale by 1.5 at a beta of 0.1."""
    nll = settings["nll"]
    config = DPOConfig(
        **_common(settings, folder),
        beta=settings["beta"],
        loss_type=["sigmoid", "sft"] if nll else ["sigmoid"],
        loss_weights=[1.0, nll] if nll else None,
        pad_token=tokenizer.pad_token,
    )
    return DPOTrainer(model, **_given(config, tokenizer, examples, settings, keeper, "judge.self_taught.dpo.lora"))


def _grpo(*, model, tokenizer, examples, settings, asked, folder, keeper) -> GroupTrainer:
    kind = algorithms.get("grpo")
    reasoning = getattr(asked.backend, "drawing", None)
    longest = reasoning["max_new_tokens"] + VERDICT_TOKENS if reasoning else 1
    settings = settings | {"vllm": None, "warmup": _warmup(settings)}
    config = trainer_config(kind, settings, 1, 1, longest, settings["seed"], folder)
    cue = both_orders(asked, [{"id": "", "prompt": "", "chosen": "", "rejected": ""}])[0].cue
    return GroupTrainer(
        model=model,
        reward_funcs=Preferred(cue),
        args=config,
        train_dataset=Dataset.from_list(_repeated(examples, settings)),
        processing_class=tokenizer,
        callbacks=[keeper],
        rollout_func=Rollout(settings["seed"], 1, settings["micro_rollout"], special_tokens=not local(asked).chat),
        peft_config=lora.adapters(settings["lora"], "judge.rl.lora"),
    )


def _repeated(examples: Sequence[dict], settings: dict) -> list[dict]:
    """As many prompts as all steps need, reshuffled whenever they run out."""
    stream = reshuffled(examples, f"judge-{settings['seed']}")
    return [next(stream) for _ in range(settings["steps"] * settings["prompts_per_step"])]


TRAINERS = {"sft": _sft, "dpo": _dpo, "grpo": _grpo}
