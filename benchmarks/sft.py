"""SFT of a model of 135 million parameters on GSM8K's lengths: tokens per second and memory, against TRL's SFTTrainer.

Run by `make bench`. Both trainers take turns within one process: same model (SmolLM2-135M's shape, random weights),
examples, batches of 16 and optimiser, in float32, gradient checkpointing off. TRL's is as its documentation shows it,
with its default collator. Tokens are the examples' own, without padding. Peak memory is that of two steps in a process
of its own, above what the loaded model takes.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time

import torch
from datasets import Dataset
from measuring import SMOLLM2, in_own_process, machine, memory_of
from transformers import LlamaConfig, LlamaForCausalLM, TrainerCallback
from trl import SFTConfig, SFTTrainer

from gavel.jobs.threads import use_threads
from gavel.models import loading
from gavel.training.sft_trainer import PackedSFTTrainer

# Tokens of prompt and solution, of 64 questions of GSM8K's training set, by SmolLM2's tokenizer.
# fmt: off
LENGTHS = [
    (50, 90), (53, 165), (74, 140), (47, 87), (80, 142), (53, 120), (43, 51), (45, 93), (31, 120), (72, 208), (67,
    148), (62, 185), (74, 209), (51, 77), (67, 213), (53, 93), (160, 252), (60, 105), (108, 73), (43, 72), (56,
    106), (87, 67), (79, 82), (83, 131), (49, 64), (93, 139), (55, 114), (35, 76), (47, 91), (84, 138), (52, 124),
    (57, 129), (87, 101), (53, 152), (86, 120), (72, 160), (65, 155), (75, 218), (52, 118), (67, 155), (42, 82),
    (90, 182), (79, 158), (52, 92), (96, 197), (42, 64), (104, 151), (48, 91), (79, 74), (56, 86), (57, 160), (102,
    181), (96, 306), (74, 241), (48, 151), (44, 93), (96, 242), (78, 154), (47, 61), (65, 139), (56, 74), (52, 63),
    (102, 221), (74, 174),
]
# fmt: on
BATCH = 16
TRAINERS = {"ours": PackedSFTTrainer, "TRL": SFTTrainer}


def examples(vocabulary: int) -> Dataset:
    """Random tokens of the right lengths."""
    torch.manual_seed(0)
    rows = [
        {
            "input_ids": torch.randint(3, vocabulary, (prompt + solution,)).tolist(),
            "completion_mask": [0] * prompt + [1] * solution,
        }
        for prompt, solution in LENGTHS
    ]
    return Dataset.from_list(rows)


class Steps(TrainerCallback):
    """Seconds and loss of each step."""

    def __init__(self):
        self.seconds: list[float] = []
        self.losses: list[float] = []

    def on_step_begin(self, args, state, control, **_):
        self.started = time.perf_counter()

    def on_step_end(self, args, state, control, **_):
        self.seconds.append(time.perf_counter() - self.started)

    def on_log(self, args, state, control, logs=None, **_):
        self.losses += [logs["loss"]] if logs and "loss" in logs else []


def made(kind: str, steps: int, folder: str, shape: dict) -> tuple[SFTTrainer, Steps]:
    torch.manual_seed(0)
    model = LlamaForCausalLM._from_config(LlamaConfig(**shape), attn_implementation="eager")
    config = SFTConfig(
        output_dir=folder,
        per_device_train_batch_size=BATCH,
        max_steps=steps,
        learning_rate=1e-5,
        completion_only_loss=True,
        max_length=None,
        bf16=False,
        gradient_checkpointing=False,
        use_cpu=True,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    watch, tokenizer = Steps(), loading.load_tokenizer("resources/models/student")
    data = examples(shape["vocab_size"])
    trainer = TRAINERS[kind](
        model=model, args=config, train_dataset=data, processing_class=tokenizer, callbacks=[watch]
    )
    return trainer, watch


def compare(rounds: int, folder: str, shape: dict) -> dict:
    """Medians over the steps; each round trains each trainer's model from the start."""
    found: dict[str, Steps] = {name: Steps() for name in TRAINERS}
    for _ in range(rounds):
        for name, steps in found.items():
            trainer, watch = made(name, len(LENGTHS) // BATCH, folder, shape)
            trainer.train()
            steps.seconds += watch.seconds
            steps.losses = watch.losses
            del trainer
    tokens = sum(map(sum, LENGTHS)) / (len(LENGTHS) // BATCH)  # of a step, on average over an epoch
    speed = {name: tokens / statistics.mean(steps.seconds) for name, steps in found.items()}
    memory = {name: in_own_process(__file__, "--peak", name, json.dumps(shape)) for name in TRAINERS}
    differences = [abs(a - b) for a, b in zip(found["ours"].losses, found["TRL"].losses, strict=True)]
    return {
        "tokens per second": speed,
        "ours over TRL": speed["ours"] / speed["TRL"],
        "MiB above the model": memory,
        "memory, ours over TRL": memory["ours"] / memory["TRL"],
        "largest difference of a loss": max(differences),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--layers", type=int, default=SMOLLM2["num_hidden_layers"])
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    use_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        if options.peak:
            kind, shape = options.peak
            trainer, _ = made(kind, 2, folder, json.loads(shape))
            print(memory_of(trainer.train))
            sys.exit()
        print(machine())
        found = compare(options.rounds, folder, SMOLLM2 | {"num_hidden_layers": options.layers})
        for name, value in found.items():
            for part, number in value.items() if isinstance(value, dict) else [("", value)]:
                print(f"    {name:<34}{part:<12}{number:>14,.6g}", flush=True)
        print("goals: 2 times the tokens per second, half the memory")
    print(json.dumps(found))
