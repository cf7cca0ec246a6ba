"""A synthetic results folder in the formats that metrics, plots and report read; no model made it."""

import csv
import random
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gavel.common.files import write_json, write_jsonl
from gavel.evaluation.metrics import write_metrics
from gavel.judge_eval import probes, signal
from gavel.judge_eval.calibration import judge_report
from gavel.replay import questions_by_step
from gavel.report.baseline import BASELINES
from gavel.study import layout
from gavel.study.schema.study import load

KINDS = (
    "numerical substitution",
    "digit expansion",
    "integer-decimal-fraction conversion",
    "adding operation",
    "reversing operation",
    "problem understanding",
    "distractor insertion",
    "critical thinking",
)
# λ → how much a run differs from SFT, and how far its judge reward leaves the truth.
EFFECT = {"0": (-0.13, 0.4), "0.5": (0.075, 0.06), "1": (0.04, 0.04)}
SCORE = ("score",)
HOSTILE = (
    "</script><img src=x onerror=\"document.title='hacked'\"><!-- <script>document.title='hacked'</script> {{ 7 * 7 }}"
)
RAW = {
    "study": "tiny",
    "question": "Does a one-token judge's reward on unlabelled questions help beyond what labels teach?",
    "results_dir": "/results",  # the check of a relative one depends on the working directory
    "data": {
        "train": {"reader": "generator", "set": "main", "size": 1100},
        "labeled": 200,
        "unlabeled": 600,
        "validation": 300,
        "tests": {name: {"reader": "generator", "set": "main", "size": 60} for name in ("main", "plus", "svamp")},
    },
    "student": {"model": "weights/student"},
    "judge": {"model": "weights/judge"},
    "rl": {"lambda": [0, 0.5, 1], "learning_rate": 1.5e-4},
    "primary": {"algorithm": "grpo", "lambda": 0.5, "test_set": "main"},
}
STUDY = load(RAW) | {
    "results_dir": "results",
    "unseen_kinds": ["problem understanding", "critical thinking"],
    "provenance": {
        "versions": {"python": "3.11.2", "torch": "2.13.0", "trl": "1.16.0"},
        "hardware": {"cpu": "Synthetic CPU", "cores": 2, "memory_gib": 24.0, "gpus": []},
        "commit": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": False},
        "command": "snakemake --cores all results/report.html",
        "generated": "2026-11-21T04:00:00+00:00",
    },
}


def build(
    root: Path,
    sizes: dict[str, int],
    *,
    samples: int = 16,
    algorithms=("grpo", "ppo"),
    lambdas=("0", "0.5", "1"),
    seeds=(0,),
    failed=(),
    judge: bool = True,
    best_of=("score",),
    seed: int = 0,
    baseline: str = "sft",
    controls: dict | None = None,
) -> dict:
    """Write a results folder, tables included.

    Args:
        sizes: questions of each test set; a set named `plus` gets perturbation kinds.
        failed: runs that get a run.json with status 'failed' and nothing else.
        judge: False leaves out the judge's scores and its calibration.
        best_of: by what the judge picks the best of a question's samples, as in the config.
        baseline: `base` for a study without SFT.
        controls: the config's section; `all-answers` gains most, `majority-vote` a little, others nothing.

    Returns:
        STUDY, a resolved config, with the grid of this call.
    """
    rng = random.Random(seed)
    runs = {baseline: {"algorithm": baseline, "lambda": None, "seed": None}}
    for algorithm in algorithms:
        for lam in lambdas:
            for number in seeds:
                about = {"algorithm": algorithm, "lambda": float(lam), "seed": number}
                runs[f"{algorithm}-lambda{lam}-seed{number}"] = about
    section = STUDY["controls"] | (controls or {})
    rl = {"algorithms": list(algorithms), "seeds": list(seeds)}
    runs |= layout.controls(STUDY | {"rl": STUDY["rl"] | rl, "controls": section})
    difficulty = {name: [rng.gauss(0, 0.55) for _ in range(size)] for name, size in sizes.items()}
    for run, about in runs.items():
        _run_files(root, run, about, run in failed, judge, rng)
        if run in failed:
            continue
        usage = {"written": 9_000, "judge": 40_000}
        if contests := {name: _contests(size, samples, best_of) for name, size in sizes.items() if best_of != SCORE}:
            usage["comparisons"] = contests
        write_json(root / "evaluation" / run / "usage.json", usage)
        for name in sizes:
            skill = _skill(about, name)
            folder = root / "evaluation" / run / name
            rows = _samples(name, difficulty[name], skill, samples, judge, rng)
            write_jsonl(folder / "samples.jsonl", rows if best_of == SCORE else _chosen(list(rows), best_of, run))
            other = list(_samples(name, difficulty[name], skill + 0.01, 0, judge, rng))
            write_jsonl(folder / "alternate.jsonl", [] if run == "base" else other)
    if judge:
        _calibration(root, runs, rng)
    _data(root, sizes)
    for rule, seconds in {"sft/sft": 31.2, "evaluate/sft.main": 22.1, "judge/calibrate": 14.9}.items():
        path = root / "benchmarks" / f"{rule}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\tmax_rss\tcpu_time\n{seconds}\t0:00:{seconds:.0f}\t1203.5\t{seconds * 1.8:.1f}\n")
    rl = STUDY["rl"] | {
        "algorithms": list(algorithms),
        "lambda": [float(lam) for lam in lambdas],
        "seeds": list(seeds),
    }
    ks = [k for k in STUDY["evaluation"]["ks"] if k <= samples]
    sampling = {"samples": samples, "ks": ks, "best_of": list(best_of)}
    study = STUDY | {"controls": section, "rl": rl, "evaluation": STUDY["evaluation"] | sampling}
    study |= {"sft": None} if baseline == "base" else {}
    tables(root, study)
    followed_questions(root, study, judge, failed)
    return study


def followed_questions(root: Path, study: dict, judge: bool = True, failed=()) -> None:
    """Write what the study's RL runs said of four questions of each pool; some texts are `HOSTILE`."""
    runs = {run: about for run, about in layout.rl_runs(study).items() if run not in failed}
    rows, rng = [], random.Random(len(runs))
    for pool in questions_by_step.POOLS:
        for number in range(4):
            question = {
                "pool": pool,
                "id": f"{pool}-{number}",
                "question": f"How many <b>shells</b> in {number} boxes?",
            }
            question |= {
                "gold": None if pool == "unlabelled" and number == 0 else str(number),
                "kind": KINDS[number % 2],
            }
            for run, about in runs.items():
                for step in range(0, 81, 10) if pool == "validation" else (3 + number, 40 + number):
                    right = None if question["gold"] is None else rng.random() < 0.4 + step / 200
                    score = round(rng.random(), 4) if judge and (pool == "validation" or about["lam"] != 1) else None
                    known = right is not None and score is not None
                    labelled = pool == "labelled" and about["lam"] != 0
                    said = {"judge": score, "judge_right": (score > 0.5) == right if known else None, "truth": right}
                    said |= {"verifiable": float(right) or 0.1 if labelled else None, "finished": step != 3}
                    text = HOSTILE if (number, step) == (1, 80) else f"def solution():\n    return {step} + {number}"
                    rows.append(question | {"run": run, "step": step, "response": text} | said)
    with (root / "questions.parquet").open("wb") as file:  # pyarrow opens no path that is not UTF-8
        pq.write_table(pa.Table.from_pylist(rows, questions_by_step.SCHEMA), file)


def tables(root: Path, study: dict) -> None:
    """Write the tables of a folder's scored samples, as the workflow's rule does."""
    tests = {path.name: None for path in (root / "evaluation").glob("*/*/")}
    placed = study | {"results_dir": str(root), "data": study["data"] | {"tests": tests}}
    files = [file for file in layout.scored_files(placed) if Path(file[3]).exists()]
    out = (root / f"{name}.csv" for name in ("metrics", "comparisons", "seeds"))
    write_metrics(files, layout.runs(study), study["evaluation"]["ks"], layout.primary(study), *out)


def _skill(about: dict, name: str) -> float:
    base = {"main": 0.55, "plus": 0.39, "svamp": 0.82}.get(name, 0.5)
    if about.get("control"):
        return base + {"all-answers": 0.25, "majority-vote": 0.05}.get(about["control"], 0.0)
    if about["lambda"] is None:
        return base
    effect = EFFECT.get(f"{about['lambda']:g}", (0.05, 0.1))[0]
    return base + effect * (1 if about["algorithm"] == "grpo" else 0.5)


def _samples(name: str, difficulty: list[float], skill: float, n: int, judge: bool, rng: random.Random):
    for index, offset in enumerate(difficulty):
        kind = KINDS[index % len(KINDS)] if name == "plus" else None
        gold = "None" if kind == "critical thinking" else str(10 + index % 37)
        share = min(0.97, max(0.02, skill + offset))
        a, b = 3 + index % 9, 2 + index % 5
        question = f"Anna has {a} boxes with {b} shells each <and> finds {index} more. How many shells has she?"
        for number in range(-1, n):
            right = rng.random() < share
            answer = gold if right else rng.choice([None, "1", "1", "0"])
            score = min(1.0, max(0.0, rng.gauss(0.85 if right else 0.3, 0.2)))
            yield {
                "id": f"{name}-{index}",
                "sample": number,
                "temperature": 0.0 if number < 0 else 0.7,
                "response": f"def solution():\n    x = {a} * {b}\n    result = {answer}\n    return result",
                "answer": answer,
                "correct": right,
                "judge": round(score, 4) if judge else None,
                "tokens": rng.randrange(12, 29),
                "finished": answer is not None,
                "question": question,
                "gold": gold,
                "kind": kind,
                "seed_id": f"main-{index // 8}" if name == "plus" else None,
            }


def _chosen(rows: list[dict], best_of, run: str) -> list[dict]:
    """Samples with ratings that follow the scores, and a knockout that the best score wins three times in four."""
    groups: dict[str, list[dict]] = {}
    for row in rows:
        row |= {way: None for way in ("elo", "knockout") if way in best_of}
        if row["sample"] >= 0:
            groups.setdefault(row["id"], []).append(row)
    for name, own in groups.items():
        rng = random.Random(f"{run} {name}")
        best = max(row["judge"] for row in own)
        if rng.random() > 0.75:
            best = rng.choice(own)["judge"]
        for row in own:
            row |= {"elo": round(400 * row["judge"], 3)} if "elo" in best_of else {}
            row |= {"knockout": row["judge"] == best} if "knockout" in best_of else {}
    for row in rows:
        row["judge"] = row["judge"] if row["sample"] >= 0 and "score" in best_of else None
    return rows


def _contests(size: int, n: int, best_of) -> dict:
    counts = {"knockout": n - 1} if "knockout" in best_of else {}
    counts |= {"round-robin": n * (n - 1) // 2} if {"score", "elo"} & {*best_of} else {}
    each = {"comparisons": 1, "prompts": 2, "read": 200, "written": 0}
    return {
        way: {"questions": size} | {key: size * count * factor for key, factor in each.items()}
        for way, count in counts.items()
    }


def _run_files(root: Path, run: str, about: dict, failed: bool, judge: bool, rng: random.Random) -> None:
    folder, first = root / "runs" / run, about["lambda"] is None and about["algorithm"] in BASELINES
    control = about.get("control")
    steps = 12 if first else 80
    uses_judge = not first and (about["lambda"] or 0) < 1
    info = {
        "run": run,
        **{key: value for key, value in about.items() if key != "control" or value},
        "steps": steps,
        "best_step": steps - 10 if not first else 9,
        "status": "failed" if failed else "finished",
        "seconds": rng.uniform(30, 100),
        "labels": 0 if about["lambda"] == 0 else 200,
        "unlabeled": 600 if uses_judge else 0,
        "completions": 0 if first else steps * 256,
        "algorithm_notes": {
            "loss_type": "sft" if first else "dr_grpo",
            "scale_rewards": "none",
            "clip": "0.2",
            "kl": 0.0,
            "left_out": "nothing" if first else "no reference model",
        },
        "settings": {"learning_rate": 4e-4 if first else 1.5e-4, "num_generations": 8},
    }
    if run == "base":
        info |= {"steps": 0, "best_step": None, "labels": 0, "seconds": 0.0, "algorithm_notes": None, "settings": {}}
    write_json(folder / "run.json", info)
    if failed:
        return
    if run == "base":
        write_csv(folder / "monitor.csv", [{"step": 0, "greedy": 0.5, "greedy_low": 0.4, "greedy_high": 0.6, "n": 300}])
        return
    monitor, training = [], []
    final = _skill(about, "main")
    gap = 0 if first or control else EFFECT.get(f"{about['lambda']:g}", (0, 0.1))[1]
    for step in range(0, steps + 1, 1 if first else 10):
        done = step / steps
        truth = (0.2 + 0.35 * done**0.5) if first else 0.55 + (final - 0.55) * done
        truth += rng.uniform(-0.02, 0.02)
        row = {"step": step, "greedy": truth + 0.02, "n": 300}
        if first:
            row |= {"epoch": step, "greedy_low": truth - 0.035, "greedy_high": truth + 0.075}
        else:
            row |= {"accuracy": truth, "accuracy_low": truth - 0.05, "accuracy_high": truth + 0.05}
            row |= {"unparsable": 0.05, "length": 18 + done}
            if judge:
                row |= {"judge": truth + gap * done, "judge_wrong": 0.1 + gap * done, "gap": gap * done}
                row |= {"kl": 0.1 * done, "entropy": 0.5 - 0.2 * done, "judge_tokens": 100}
        monitor.append(row)
    for step in range(1, steps + 1):
        wave = rng.gauss(0, 0.03)
        row = {"step": step, "reward": 0.5 + 0.2 * step / steps + wave, "reward_std": 0.3, "loss": wave}
        row |= {
            "entropy": 0.6 - 0.3 * step / steps + wave,
            "kl": "",
            "grad_norm": 0.4 + wave,
            "frac_reward_zero_std": 0.3 + wave,
            "completions/mean_length": 17 + wave,
        }
        if uses_judge:
            row["judge_tokens"] = 500
        training.append(
            row | {"num_tokens": 1000 * step, "clip_ratio/region_mean": 0.01, "step_time": 1.1, "learning_rate": 1e-4}
        )
    for name, rows in {"monitor": monitor, "training": training}.items():
        write_csv(folder / f"{name}.csv", rows)


def _calibration(root: Path, runs: Iterable[str], rng: random.Random) -> None:
    items = []
    for number in range(1200):
        right = rng.random() < 0.55
        score = min(1.0, max(0.0, rng.gauss(0.8 if right else 0.3, 0.22)))
        item = {
            "id": f"validation-{number // 4}",
            "question": f"Validation question {number // 4}?",
            "response": "return 4",
            "correct": right,
            "kind": "critical thinking" if number >= 1000 else None,
            "tokens": rng.randint(10, 40),
            "finished": True,
            "steps": rng.randint(1, 5),
        }
        verdict = {"judge": score, "probability": score, "phrasings": [score, score * 0.9], "says_right": score > 0.5}
        items.append(item | verdict | {"off_label_mass": rng.random() * 1e-3, "truncated": False})
    tricks = [item | {"probe": rng.choice(list(probes.PROBES))} for item in items]
    tricks += [item | {"probe": "claim", "correct": False, "judge": 0.9, "says_right": True} for item in items]
    found = judge_report(items) | {"probes": probes.summary(tricks), "too_weak": None}
    plan = signal.Plan(group_size=8, groups=24, rewards=True, test_questions=400, seeds=1)
    write_json(root / "judge" / "signal.json", signal.measure(items, plan, signal.Limits(0.05, 0.5, 0.25)))
    settings = {"samples": 4, "temperature": 0.7, "run": "sft"}
    write_json(root / "judge" / "calibration.json", found | {"judge": "weights/judge", "settings": settings})
    write_json(root / "judge" / "policies.json", {run: found for run in runs if run not in BASELINES})
    write_jsonl(root / "judge" / "calibration.jsonl", items)
    write_json(root / "judge" / "usage.json", {"written": 24_000, "judge": 120_000})
    for run in runs:
        if run not in BASELINES:
            trained = [item | {"response": f"return {number % 9}"} for number, item in enumerate(items)]
            write_jsonl(root / "judge" / "runs" / f"{run}.jsonl", trained)
            write_json(root / "judge" / "runs" / f"{run}-usage.json", {"written": 24_000, "judge": 120_000})
    write_jsonl(root / "judge" / "probes.jsonl", tricks)


def write_csv(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _data(root: Path, sizes: dict[str, int]) -> None:
    counts = {"pretrain": 20000, "labeled": 200, "unlabeled": 600, "validation": 300}
    counts |= {f"test/{name}": size for name, size in sizes.items()}
    write_json(root / "data" / "splits.json", {"counts": counts, "notes": {"not convertible": 0}})
    splits = ("pretrain", "labeled", "unlabeled", "validation")

    def cell(count: int, size: int) -> dict:
        example = {"test_id": "main-1", "split_id": "labeled-4", "text": "how many <shells> has she"}
        return {"count": count, "share": count / size, "examples": [example] if count else []}

    overlap = {
        split: {
            name: {
                "exact": cell(0, size),
                "ngram": cell(min(size, 12), size),
                "template": cell(min(size, 40), size),
            }
            for name, size in sizes.items()
        }
        for split in splits
    }
    seeds = {}
    if "plus" in sizes:
        seeds["plus"] = {
            "items": sizes["plus"],
            "linked": sizes["plus"],
            "distinct": sizes["plus"] // 8,
            "traced_to": {"main": sizes["plus"] // 8},
            "untraced": 0,
            "in_split": {split: cell(0, 1) for split in splits},
        }
    write_json(
        root / "data" / "audit.json",
        {
            "n": 8,
            "splits": {split: {"rows": counts[split], "duplicates": 0} for split in splits},
            "tests": {name: {"rows": size, "duplicates": 0} for name, size in sizes.items()},
            "overlap": overlap,
            "seeds": seeds,
            "between_splits": [{"first": "labeled", "second": "validation", "count": 0, "examples": []}],
            "between_tests": [],
            "notes": ["'ngram' counts test questions that share 8 consecutive words with the split."],
            "clean": True,
        },
    )
