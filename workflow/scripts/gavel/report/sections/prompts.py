"""The first prompt of each kind, as the models read it."""

from pathlib import Path
from typing import Any

from gavel.frames.files import read_object
from gavel.report.cells import join_words
from gavel.report.results import Results
from gavel.report.sections.samples import ending, short

# Types of a rendered prompt's parts in the files; all are optional.
SHAPE = {"prompt": str, "completion": str, "tokens": int}


def rendered_prompts(results: Results) -> list[dict[str, Any]]:
    """The first SFT example, rollout prompt, evaluation prompt and judging prompt; without those that are missing.

    Returns:
        `{"title", "prompt" (its end), "completion" (the beginning; SFT only), "tokens"}`, the SFT example first.
    """
    runs, first = results.runs, results.baseline.run
    rollouts: dict[str, list[str]] = {}
    examples = {}
    for run, about in runs.items():
        if run != first and (shown := about.get("example")):
            rollouts.setdefault(shown["prompt"], []).append(results.names[run])
            examples.setdefault(shown["prompt"], shown)
    found = [("SFT example", runs[first].get("example"))]
    several = len(rollouts) > 1
    found += [
        (f"Rollout prompt of {join_words(names)}" if several else "Rollout prompt", examples[text])
        for text, names in rollouts.items()
    ]
    files = {"Evaluation prompt": results.files.prompt(first), "Judging prompt": results.files.judge.prompt}
    found += [(title, read_object(Path(path), **SHAPE)) for title, path in files.items() if Path(path).exists()]
    return [_shown(title, shown) for title, shown in found if shown]


def _shown(title: str, shown: dict[str, Any]) -> dict[str, Any]:
    completion = shown.get("completion")
    return {
        "title": title,
        "prompt": ending(shown["prompt"]),
        "completion": completion and short(completion),
        "tokens": shown.get("tokens"),
    }
