"""What a step of GRPO costs: ours against TRL's GRPOTrainer as its documentation shows it, and where the time goes.

Run by `make bench`. Both trainers take turns within one process: same student, questions, group size, temperature,
longest completion, precision, loss and optimiser, and every completion is trained on. The reward is a checksum of the
text, so that it costs nothing on either side. A step begins with the questions and ends with the moved weights; a
trainer's first step in each turn is not counted. TRL gets the best that is found for it in batch size, attention and
cache (one after the other), gradient checkpointing off. `bfloat16` is TRL's autocast over float32 weights.

Peak memory is that of two steps in a process of its own, above what the loaded model takes. `--large` measures a
student of SmolLM2-135M's shape with random weights instead, on 4 questions of about GSM8K's length with 8 completions
each, which never end before the limit and so share nothing but their prompt. On a GPU a student shaped like Galactica's
125 million and a judge of 1.5 billion, random weights, show what fractions of a step generation, judge and update take.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Callable

import torch
from datasets import Dataset
from measuring import SMOLLM2, in_own_process, machine, memory_of, solving_prompts
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, OPTConfig, OPTForCausalLM, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from gavel.common.dataclass_config import from_section
from gavel.data.generator.problems import generate
from gavel.jobs.threads import use_threads
from gavel.judge import load
from gavel.models import loading, prompts
from gavel.study import params
from gavel.study.schema.training import Rl
from gavel.training.rl import algorithms
from gavel.training.rl.algorithms import Passes
from gavel.training.rl.grpo import PackedGRPOTrainer
from gavel.training.rl.grpo_config import trainer_config
from gavel.training.rl.rollout import Rollout
from gavel.training.rl.settings import RLSettings

QUESTIONS, COMPLETIONS, LENGTH = 32, 8, 48
STEPS = 3  # of a turn
LARGE = {"QUESTIONS": 4, "LENGTH": 133, "STEPS": 2}  # 133: the mean of GSM8K's solutions, in SmolLM2's tokens
CHOICES = {"batch": (64, 128, 256, 32), "attention": ("sdpa", "eager"), "cache": (None, "static")}
GALACTICA = {"vocab_size": 50000, "hidden_size": 768, "ffn_dim": 3072, "num_hidden_layers": 12}
JUDGE = {"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12}


def checksum(completions: list[str], **_) -> list[float]:
    return [zlib.crc32(text.encode()) % 8 / 8 for text in completions]


class Parts(TrainerCallback):
    """Seconds of each step and of its parts, and the completion tokens it was trained on."""

    def __init__(self):
        self.steps: list[dict[str, float]] = []

    def on_step_begin(self, args, state, control, **_):
        self.now, self.started = dict.fromkeys(("generation", "reward", "tokens"), 0.0), _clock()

    def on_step_end(self, args, state, control, **_):
        self.now["step"] = _clock() - self.started
        self.now["update"] = self.now["step"] - self.now["generation"] - self.now["reward"]
        self.steps.append(self.now)

    def watch(self, trainer: GRPOTrainer) -> GRPOTrainer:
        """Have the trainer's own seams timed."""
        trainer.add_callback(self)
        generated, rewarded, lost = trainer._generate, trainer._calculate_rewards, trainer._compute_loss

        def loss(model, inputs):
            self.now["tokens"] += int(inputs["completion_mask"].sum())
            return lost(model, inputs)

        trainer._generate = self._timed("generation", generated)
        trainer._calculate_rewards = self._timed("reward", rewarded)
        trainer._compute_loss = loss
        return trainer

    def _timed(self, name: str, work: Callable) -> Callable:
        def timed(*args, **kwargs):
            started = _clock()
            result = work(*args, **kwargs)
            self.now[name] += _clock() - started
            return result

        return timed


def _clock() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def settings(**changes) -> RLSettings:
    chosen = Rl(steps=STEPS, prompts_per_step=QUESTIONS, num_generations=COMPLETIONS, learning_rate=1e-6, warmup=0)
    return from_section(RLSettings, params.rl({"rl": chosen.model_dump(by_alias=True) | changes}), "rl")


def our_config(bf16: bool, folder: str, length: int = LENGTH, micro: int = 64) -> GRPOConfig:
    chosen = settings(micro_batch_size=micro, bf16=bf16)
    return trainer_config(algorithms.get("grpo"), chosen, Passes(1, 1), length, 0, folder)


def ours(model, tokenizer, data: Dataset, config: GRPOConfig, reward: Callable = checksum) -> tuple[GRPOTrainer, Parts]:
    options = {"train_dataset": data, "processing_class": tokenizer, "rollout_func": Rollout(0, 1, 256)}
    parts = Parts()
    return parts.watch(PackedGRPOTrainer(model=model, reward_funcs=reward, args=config, **options)), parts


def stock(
    path: str, data: Dataset, bf16: bool, folder: str, batch: int, attention: str, cache: str | None, steps: int = STEPS
) -> tuple[GRPOTrainer, Parts]:
    """TRL's trainer as documented; settings of ours that are missing here do not affect the time."""
    about = algorithms.get("grpo")
    config = GRPOConfig(
        output_dir=folder,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=QUESTIONS * COMPLETIONS // batch,
        num_generations=COMPLETIONS,
        max_steps=steps,
        max_completion_length=LENGTH,
        cache_implementation=cache,
        loss_type=about.loss_type,
        scale_rewards=about.scale_rewards,
        bf16=bf16,
        use_cpu=not torch.cuda.is_available(),
        gradient_checkpointing=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    model = AutoModelForCausalLM.from_pretrained(path, attn_implementation=attention, dtype=torch.float32)
    options = {"train_dataset": data, "processing_class": loading.load_tokenizer(path)}
    parts = Parts()
    return parts.watch(GRPOTrainer(model=model, reward_funcs=checksum, args=config, **options)), parts


def turn(trainer: GRPOTrainer, parts: Parts) -> list[dict[str, float]]:
    """The steps of one turn but its first."""
    parts.steps.clear()
    trainer.train()
    return list(parts.steps[1:])


def medians_of(steps: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(step[name] for step in steps) for name in steps[0]}


def best_of_stock(path: str, data: Dataset, bf16: bool, folder: str) -> tuple[dict, dict[str, float]]:
    """TRL's fastest settings, found one after the other, and the seconds of a step with each that was tried."""
    chosen, tried = {name: values[0] for name, values in CHOICES.items()}, {}
    for name, values in CHOICES.items():
        for value in values:
            option = chosen | {name: value}
            key = ", ".join(f"{n} {v or 'dynamic'}" for n, v in option.items())
            if key not in tried:
                try:
                    steps = turn(*stock(path, data, bf16, folder, **option, steps=2))
                except RuntimeError as error:  # a static cache keeps float32 and is given bfloat16 by autocast
                    print(f"TRL with {key} ({'bfloat16' if bf16 else 'float32'}) fails: {error}", file=sys.stderr)
                    continue
                tried[key] = (min(step["step"] for step in steps), option)
        chosen = min(tried.values(), key=lambda pair: pair[0])[1]
    return chosen, {key: seconds for key, (seconds, _) in tried.items()}


def questions(path: str) -> Dataset:
    """Prompts; for a large student two in one, about as long as GSM8K's."""
    texts = solving_prompts(2 * STEPS * QUESTIONS)
    small = "large" not in path
    return Dataset.from_list(
        [{"prompt": a if small else f"{a}\n{b}"} for a, b in zip(texts[::2], texts[1::2], strict=True)]
    )


def large_student(folder: str) -> str:
    """Save a student of SmolLM2-135M's shape with random weights, and measure steps of its size from now on."""
    globals().update(LARGE)
    CHOICES.update(batch=(QUESTIONS * COMPLETIONS, 8), attention=("sdpa", "eager"), cache=(None, "static"))
    torch.manual_seed(0)
    path, tokenizer = f"{folder}/large", loading.load_tokenizer("resources/models/student")
    ends = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}
    loading.save(LlamaForCausalLM(LlamaConfig(**SMOLLM2, **ends)), tokenizer, path)
    return path


def made(kind: str, path: str, bf16: bool, folder: str, **option) -> tuple[GRPOTrainer, Parts]:
    data = questions(path)
    if kind == "stock":
        return stock(path, data, bf16, folder, **option)
    return ours(loading.load_model(path), loading.load_tokenizer(path), data, our_config(bf16, folder))


def compare(path: str, bf16: bool, rounds: int, folder: str, large: bool = False) -> dict:
    data = questions(path)
    option, tried = best_of_stock(path, data, bf16, folder)
    trainers = {"ours": made("ours", path, bf16, folder), "TRL": made("stock", path, bf16, folder, **option)}
    steps: dict[str, list] = {name: [] for name in trainers}
    for _ in range(rounds):
        for name, pair in trainers.items():
            steps[name] += turn(*pair)
    found = {name: medians_of(values) for name, values in steps.items()}
    kinds = {"ours": ("ours", {}), "TRL": ("stock", option)}
    return {
        "TRL's settings, seconds a step": tried,
        **{f"{name}, seconds": values for name, values in found.items()},
        "MiB above the model": {
            name: in_own_process(__file__, *["--large"] * large, "--peak", kind, path, int(bf16), json.dumps(chosen))
            for name, (kind, chosen) in kinds.items()
        },
        "ours over TRL": found["ours"]["step"] / found["TRL"]["step"],
    }


def large_pair(path: str, judge_path: str, folder: str, length: int = 128, student=GALACTICA, grader=JUDGE) -> dict:
    """Seconds of a step with a large judge, and its parts' fractions of it; random weights, so no completion ends."""
    tokenizer = loading.load_tokenizer(path)
    small = OPTConfig(num_attention_heads=12, pad_token_id=tokenizer.pad_token_id, **student)
    asked = load.load(model=judge_path, batch_tokens=16384)
    with torch.device(loading.device()):
        model = OPTForCausalLM(small)
        judging = LlamaForCausalLM._from_config(LlamaConfig(vocab_size=32000, **grader), dtype=torch.bfloat16)
    asked = asked.with_model(judging.eval())

    def reward(completions, question, **_):
        return [verdict.score for verdict in asked.verdicts(question, completions)]

    rows = [row for _, row in generate("main", STEPS * QUESTIONS, 5, "bench")]
    template = prompts.load("solve")
    fill = [{"prompt": prompts.fill(template, question=r["question"]), "question": r["question"]} for r in rows]
    config = our_config(True, folder, length)
    found = medians_of(turn(*ours(model, tokenizer, Dataset.from_list(fill), config, reward)))
    shares = {f"share of {name}": found[name] / found["step"] for name in ("generation", "reward", "update")}
    sizes = {"student": model.num_parameters(), "judge": judging.num_parameters()}
    return {"parameters": sizes, "seconds": found, "shares": shares}


def show(title: str, found: dict) -> dict:
    print(title)
    for name, value in found.items():
        for part, number in value.items() if isinstance(value, dict) else [("", value)]:
            print(f"    {name:<34}{part:<48}{number:>10,.3f}", flush=True)
    return {title: found}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="resources/models/student")
    parser.add_argument("--judge", default="resources/models/judge")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--large", action="store_true", help="a student of 135 million parameters, random weights")
    parser.add_argument("--peak", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    use_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        if options.peak:
            kind, path, bf16, chosen = options.peak
            path = large_student(folder) if options.large else path
            trainer, parts = made(kind, path, bool(int(bf16)), folder, **json.loads(chosen))
            print(memory_of(lambda: turn(trainer, parts)))
            sys.exit()
        print(machine())
        results = {}
        if options.large:
            found = compare(large_student(folder), False, options.rounds, folder, large=True)
            show("4 questions x 8, 135 M parameters, float32", found)
            print("goals: 0.4 of TRL's time, 0.6 of its memory")
            sys.exit()
        for precision in ("float32", "bfloat16"):
            found = compare(options.model, precision == "bfloat16", options.rounds, folder)
            results |= show(f"32 questions x 8, {precision}", found)
        if torch.cuda.is_available():
            found = large_pair(options.model, options.judge, folder)
            results |= show("student of 125 M and judge of 1.5 B parameters on the GPU, bfloat16", found)
    print(json.dumps(results))
