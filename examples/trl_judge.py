"""TRL's GRPOTrainer with Gavel's judge as its reward, and its alarm for reward hacking; docs/how-to/trl.md explains it.

python examples/trl_judge.py --steps 40
"""

import argparse

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from gavel.data.generator import problems
from gavel.models.loading import load_tokenizer
from gavel.models.task import Task
from gavel.trl import CollapseMonitor, judge_reward

STUDENT, JUDGE = "resources/models/student", "resources/models/judge"


def main(steps: int, output: str) -> CollapseMonitor:
    """Train the shipped student for some steps of 8 questions; no label has a part in the reward."""
    rows = [row for _, row in problems.generate("main", 8 * steps + 100, 0, "trl")]
    validation, unlabeled = rows[:100], rows[100:]
    task, tokenizer = Task("solve", "program", max_new_tokens=96), load_tokenizer(STUDENT)
    prompts = task.prompts([row["question"] for row in unlabeled], tokenizer)
    questions = [{"prompt": text, "question": row["question"]} for text, row in zip(prompts, unlabeled, strict=True)]

    reward = judge_reward(JUDGE)
    alarm = CollapseMonitor(validation, task, reward.judge, every=max(1, steps // 4))
    trainer = GRPOTrainer(
        model=STUDENT,
        reward_funcs=reward,
        args=GRPOConfig(
            output,
            max_steps=steps,
            per_device_train_batch_size=32,
            num_generations=4,
            max_completion_length=96,
            learning_rate=1e-4,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
        ),
        train_dataset=Dataset.from_list(questions),
        processing_class=tokenizer,
        callbacks=[alarm],
    )
    trainer.train()
    return alarm


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--output", default="results/trl", help="folder of TRL's checkpoints (%(default)s)")
    options = parser.parse_args()
    found = main(options.steps, options.output)
    print("collapsed" if found.collapsed else "no collapse", [round(row["accuracy"], 2) for row in found.validations])
