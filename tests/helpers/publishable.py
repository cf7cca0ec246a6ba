"""A results folder with all that `gavel publish` reads: a synthetic one (`helpers.fake_results`), with checkpoints,
questions and rollouts."""

import json
import shutil
from pathlib import Path

import yaml

from gavel.common.files import write_json, write_jsonl
from gavel.data.rollouts import RolloutStore
from gavel.study import layout
from helpers import fake_results

RUN = "grpo-lambda0.5-seed0"
CONTROL = "grpo-all-answers-seed0"
COMMIT = "89abcdef0123456789abcdef0123456789abcdef"
GOLD = {"l": "1", "u": "4217"}  # of a labelled and of an unlabelled question


def publishable(root: Path, model: str, **changes) -> dict:
    """Write a finished study of GRPO at two lambdas and of the bound with all answers; returns its config.

    Args:
        model: folder of the model that all checkpoints are copies of.
        changes: of the config, by section.
    """
    sizes, controls = {"main": 24, "plus": 16}, {"rewards": ["all-answers"], "seeds": [0]}
    options = {"samples": 2, "algorithms": ("grpo",), "lambdas": ("0", "0.5"), "controls": controls}
    study = fake_results.build(root, sizes, **options | changes.pop("build", {}))
    study = {key: value for key, value in study.items() if key not in ("provenance", "unseen_kinds")}
    study["data"] = study["data"] | {"tests": {name: study["data"]["tests"][name] for name in sizes}}
    study |= {section: study[section] | own for section, own in changes.items()}
    (root / "config.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(study, default=list))))
    write_jsonl(root / "data/labeled.jsonl", [{"id": "l", "question": "one?", "gold": GOLD["l"]}])
    write_jsonl(root / "data/unlabeled.jsonl", [{"id": "u", "question": "two?", "gold": None}])
    write_jsonl(root / "withheld/unlabeled.jsonl", [{"id": "u", "gold": GOLD["u"], "solution": None}])
    for run in layout.runs(study):
        for name in ("best", "final"):
            shutil.copytree(model, root / "runs" / run / name)
    for run in layout.rl_runs(study):
        _rollouts(root, run)
        record = {"uri": "", "experiment": "", "key": "", "name": run, "params": {}, "begun": 0}
        write_json(root / f"state/tracking/rl-{run}.json", record | {"tags": {"git_commit": COMMIT}})
        prompt = {"prompt": f"{run}: one?\n```\nAnswer:\n", "tokens": 9}
        write_json(root / "evaluation" / run / "prompt.json", prompt)
    return study


def _rollouts(root: Path, run: str) -> None:
    """Two steps with two completions each of both questions: a right one and a wrong one."""
    store = RolloutStore(root / "state" / run / "rollouts")
    for step in (1, 2):
        columns = {"id": ["l", "l", "u", "u"], "group": [0, 0, 1, 1], "labeled": [True, True, False, False]}
        columns |= {"response": ["say 1", "say 7", f"say {GOLD['u']}", "say 7"], "tokens": [2] * 4}
        columns |= {"finished": [True] * 4, "lambda": [0.0] * 4, "verifiable": [1.0, 0.0, None, None]}
        columns |= {"judge": [1.0, 0.0, 1.0, 0.0], "reward": [1.0, 0.0, 1.0, 0.0], "terms": [[]] * 4}
        columns |= {"advantage": [0.5, -0.5, 0.5, -0.5], "logp": [-1.0] * 4, "skipped": [False] * 4}
        store.write(step, columns)
    store.merge(root / "runs" / run / "rollouts")
