"""The configuration that all of TRL's trainers share here, and how training resumes after a kill."""

from pathlib import Path
from typing import Any, TypeVar

from transformers import Trainer, TrainingArguments

from gavel.common.log import info
from gavel.jobs import process_group
from gavel.models import loading
from gavel.training import batches, distributed
from gavel.training.batches import MicroBatches
from gavel.training.settings import Optimization, SupervisedOptimization
from gavel.training.state import RunState

Config = TypeVar("Config", bound=TrainingArguments)


def config(
    kind: type[Config], settings: Optimization, folder: str | Path, micro_batches: MicroBatches, **options: Any
) -> Config:
    """A trainer's configuration, for this process among those that train together.

    `gavel.training.callback.RunCallback` saves, mirrors and reports, so TRL does not.

    Args:
        kind: the configuration's class, such as `trl.SFTConfig`.
        folder: of the checkpoints.
        micro_batches: of one optimiser step.
        options: further options of this trainer.
    """
    if process_group.shards_on_cpus():
        process_group.rejoin()
        options["accelerator_config"] = {"use_configured_state": True}
    made = kind(
        output_dir=str(folder),
        per_device_train_batch_size=micro_batches.size,
        gradient_accumulation_steps=micro_batches.number,
        learning_rate=settings.learning_rate,
        max_grad_norm=settings.max_grad_norm,
        bf16=settings.bf16,
        use_cpu=loading.device().type == "cpu",  # or bf16 is rejected there
        gradient_checkpointing=settings.gradient_checkpointing,
        ddp_find_unused_parameters=False,  # there are none, and DDP could not see that a critic's are used
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **options,
    )
    # Or a single process that sees several GPUs would use DataParallel; transformers has no setting to prevent it.
    made._n_gpu = min(made.n_gpu, 1)
    return made


def supervised(
    kind: type[Config], settings: SupervisedOptimization, folder: str | Path, key: str, **options: Any
) -> Config:
    """`config` for training on texts of any length, with `settings.batch_size` of them in each optimiser step.

    Args:
        key: the settings' section of the config, for messages.

    Raises:
        InputError: an optimiser step's examples do not divide into processes and micro-batches.
    """
    split = batches.split_batch(settings.batch_size, distributed.processes(), settings.micro_batch_size, key)
    common: dict[str, Any] = {"lr_scheduler_type": "linear", "max_length": None, "logging_steps": 1}
    return config(kind, settings, folder, split, **common, **options)


def resume(trainer: Trainer, run: RunState) -> None:
    """Train, from the run's last checkpoint if it has one; every process must call this.

    Raises:
        RuntimeError: the trainer would train full replicas instead of the shards that were asked for.
    """
    kind = process_group.sharding()
    if kind and not {"fsdp": trainer.is_fsdp_enabled, "deepspeed": trainer.is_deepspeed_enabled}[kind]:
        raise RuntimeError(f"accelerate has set up {trainer.accelerator.distributed_type} instead of {kind}")
    last = distributed.on_main(run.latest_checkpoint)
    if last is not None:
        info(f"resuming from {last.name}", console=True)
    trainer.train(resume_from_checkpoint=str(last) if last else None)
