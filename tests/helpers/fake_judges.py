"""What the judge benchmark and the training of a judge leave in a results folder, without a judge."""

import random
from collections.abc import Collection
from pathlib import Path

from gavel.common.files import write_json, write_jsonl
from gavel.judge_eval.benchmark_metrics import write_table
from gavel.judge_eval.pairs import COLUMNS as ITEM_COLUMNS
from gavel.study import layout
from helpers.fake_results import write_csv


def judge_benchmark(
    root: Path, judges: dict[str, float], seed: int = 0, pairs: int = 240, compare: Collection[str] = ("pairwise",)
) -> None:
    """Write a folder's judge benchmark, as the workflow's rules do.

    Args:
        judges: name -> how far its scores of right solutions lie above those of wrong ones.
        seed: of the items; the same judges are asked about others.
        compare: those of the judges that are asked about pairs.
    """
    rng = random.Random(seed)
    items, said = [], {name: [] for name in judges}
    for number in range(pairs):
        kind, by, steps = rng.choice(["no answer", "other number"]), rng.choice(["sft", "spoilt"]), number // 4 % 3 + 2
        texts = (f"return {number}", f"return {number} - 1")
        about = (f"validation-{number}", f"Benchmark <question> {number // 4}?", *texts, "reference", by, kind, steps)
        items.append(dict(zip(ITEM_COLUMNS, about, strict=True)))
        for name, gap in judges.items():
            right, wrong = 0.5 + gap / 2 + rng.gauss(0, 0.15), 0.5 - gap / 2 + rng.gauss(0, 0.15)
            answer = {"id": items[-1]["id"], "chosen": right, "rejected": wrong, "preferred": float(right > wrong)}
            if name in compare:
                answer |= {"chosen": None, "rejected": None, "first": 0.53, "flipped": rng.random() < 0.2}
            said[name].append(answer)
    folder = root / "judge" / "benchmark"
    write_jsonl(folder / "items.jsonl", items)
    costs = {}
    for place, name in enumerate(judges):
        read = 80 * pairs * (place + 1) ** 3
        costs[name] = {"prompts": pairs * 2, "tokens_read": read, "tokens_written": 10 * pairs * place, "seconds": 3.5}
        write_jsonl(folder / f"{name}.jsonl", said[name])
        write_json(folder / f"{name}-cost.json", costs[name])
    answers = {name: (rows, costs[name]) for name, rows in said.items()}
    write_table(root / "judge" / "benchmark.csv", answers, items, f"items-{seed}")


def judge_training(root: Path, study: dict, iterations: int = 2, rl: bool = True, failed: Collection[str] = ()) -> dict:
    """Write what the training of a folder's judge leaves, without a benchmark.

    Args:
        failed: stages that leave a log and nothing else.

    Returns:
        The study with a judge that is trained so.
    """
    rng = random.Random(len(root.name))
    taught = {"iterations": iterations, "sft": {"steps": 20}, "dpo": {"steps": 10}} if iterations else None
    judge = study["judge"] | {"kind": "pairwise", "model": "scratch", "self_taught": taught}
    study = study | {"judge": judge | {"rl": {"steps": 40} if rl else None}}
    folder = root / "judge" / "training"
    accuracy = 0.55
    for name, about in layout.judge_stages(study).items():
        if name in failed:
            (root / "logs" / "judge-training").mkdir(parents=True, exist_ok=True)
            (root / "logs" / "judge-training" / f"{name}.log").write_text("began\nno <GPU> found\n")
            continue
        steps = about["settings"]["steps"]
        validations = []
        for step in range(0, steps + 1, steps // 2):
            row = {"step": step, "greedy": accuracy, "greedy_low": accuracy - 0.05, "greedy_high": accuracy + 0.05}
            validations.append(row | {"n": 200, "first_bias": 0.1, "flipped": 0.8 - accuracy})
            accuracy += 0.02
        accuracy -= 0.02
        training = [{"step": step, "loss": rng.random(), "num_tokens": 500 * step} for step in range(1, steps + 1)]
        for kind, rows in {"monitor": validations, "training": training}.items():
            write_csv(folder / name / f"{kind}.csv", rows)
        info = {"run": name, "algorithm": about["method"], "steps": steps, "best_step": steps, "status": "finished"}
        write_json(folder / name / "run.json", info | {"examples": 64, "selected_on": 200, "seconds": 30.0})
    for number in range(1, iterations + 1):
        pairs, judgments = [], []
        for place in range(24):
            way = ("changed-question", "injected-error")[place % 2]
            pair = {"id": f"unlabeled-{place // 2}-{way}", "prompt": f"Unlabelled question {place // 2}?"}
            pairs.append(pair | {"chosen": "return 4", "rejected": "return 5", "subset": way})
            for label in (" A", " B"):
                for draw in range(2):
                    said = rng.choice((" A", " B"))
                    about = {"prompt": f"Question {place // 2}? <first> or second?", "label": label}
                    text = f"return {draw} <own>\nThe better answer is answer{said}"
                    judgments.append({"id": pair["id"], "judgment": text, "reached": said == label} | about)
        write_jsonl(folder / f"pairs{number}.jsonl", pairs)
        write_jsonl(folder / f"judgments{number}.jsonl", judgments)
    return study
