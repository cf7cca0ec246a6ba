"""`gavel cost`: what studies will cost on GPUs, from their configs alone, as Markdown."""

import argparse
import math
import shlex
from dataclasses import asdict, fields
from typing import Any

from gavel.cli.commands import Commands
from gavel.common.errors import InputError
from gavel.common.paths import ROOT
from gavel.study import config_files, layout, resolve, sweep
from gavel.study.cost.estimate import Assumed, Cost, costs, memory, sizes

HELP = {
    "prompt": "mean tokens of a solving prompt",
    "judging": "mean tokens of a judging prompt without the solution",
    "length": "mean completion, as a share of solution.max_new_tokens",
    "reasoning": "mean reasoning of a judge, as a share of judge.reasoning.max_new_tokens",
    "peak": "a GPU's peak, operations a second; by its data sheet an A100 has 312e12 in dense bfloat16",
    "training": "share of that peak that training reaches",
    "reading": "share that the judge and other reading of whole prompts reach",
    "writing": "share that decoding reaches; small models and batches reach less",
    "vllm": "share that decoding with vLLM reaches",
}
HEAD = "rule | jobs | completions | written | trained on | judged | operations | GPU hours | held | held, at most"


def add_cost(commands: Commands) -> None:
    parser = commands.add_parser(
        "cost",
        help="what studies will cost on GPUs: tokens, operations, memory and hours from their configs",
        description="Tables in Markdown. Lengths and rates are assumptions, and printed as such.",
    )
    parser.add_argument("configs", metavar="CONFIG.yaml", nargs="+")
    for field in fields(Assumed):
        about: dict[str, Any] = {"type": field.type, "default": field.default}
        parser.add_argument(f"--{field.name}", metavar="X", help=f"{HELP[field.name]} (%(default)s)", **about)
    parser.set_defaults(run=cost)


def cost(options: argparse.Namespace) -> None:
    """`gavel cost`: count and print."""
    assumed = Assumed(**{field.name: getattr(options, field.name) for field in fields(Assumed)})
    for name, value in asdict(assumed).items():
        most = math.inf if name in ("prompt", "judging", "peak") else 1
        if not 0 < value <= most or value == math.inf:
            raise InputError(f"--{name} {value:g}: give a number above 0" + (" and at most 1" if most == 1 else ""))
    print(page(options.configs, assumed), end="")


def page(configs: list[str], assumed: Assumed) -> str:
    """The whole text for some studies' YAML files."""
    plain = asdict(Assumed())
    changed = [f"--{name}={value:g}" for name, value in asdict(assumed).items() if value != plain[name]]
    command = shlex.join(["gavel", "cost", *configs, *changed])
    parts = [f"# What a study costs\n\nPrinted by `{command}` from the configs alone; nothing here was measured."]
    found = [(label, config) for name in configs for label, config in _studies(name).items()]
    parts += [_assumptions(assumed), *(_study(label, config, assumed) for label, config in found)]
    return "\n\n".join(parts) + "\n"


def _studies(name: str) -> dict[str, dict[str, Any]]:
    """Title -> resolved config: of a sweep one for each variant, each as if it were run alone."""
    raw = config_files.read(name)
    if not raw.get("sweep"):
        return {f"`{name}`": resolve.resolve(raw, ROOT)}
    return {f"`{name}`, variant `{key}`": one for key, one in sweep.resolve(raw, ROOT)["variants"].items()}


def _assumptions(a: Assumed) -> str:
    return f"""## Assumptions

- Lengths, in tokens: a solving prompt {a.prompt}, a judging prompt {a.judging} and the solution, a completion
  {a.length:.0%} of `solution.max_new_tokens` (labelled solutions too), a judge's reasoning {a.reasoning:.0%} of
  `judge.reasoning.max_new_tokens`. At most: every completion and reasoning as long as it may be. No two solutions of a
  question are equal, so none is spared the judge.
- A judge that compares reads two solutions a prompt, and each pair in both orders; one that reasons reads its prompt
  once to write and once for each verdict, with what it has written. Judged: all tokens that it reads and writes; what
  prompts share at their beginning is counted each time, though here and by most servers it is computed once, which
  saves more than half of a round robin (docs/judges.md has measured it).
- Operations: 2 for each parameter and token read or written, 6 trained on (Kaplan et al. 2020, arXiv 2001.08361,
  section 2.1), 8 with gradient checkpointing; attention over the context is left out.
- Rates: a GPU of {a.peak / 1e12:g} · 10¹² operations a second at its peak, of which training reaches {a.training:.0%},
  reading whole prompts (the judge) {a.reading:.0%}, decoding (a judge's reasoning too) {a.writing:.0%}, with vLLM
  {a.vllm:.0%}. Hours are inverse to these: put in your own.
- Hours are of GPUs at work; held: of all GPUs that a job asks for, its server's too.
- Memory is one GPU's, in GiB: weights, gradients, AdamW's two states, other models, keys and values; activations come
  on top. What vLLM samples or serves has no row: it takes the share of the memory that it is told to take.
- Data sets count whole: repeated questions are left out later."""


def _study(name: str, config: dict[str, Any], assumed: Assumed) -> str:
    student, judge = sizes(config)
    models = [f"student `{config['student']['model']}` ({student.parameters / 1e6:,.0f} million parameters)"]
    if judge:
        models.append(f"judge `{config['judge']['model']}` ({judge.parameters / 1e6:,.0f} million)")
    else:
        models.append("the judge's server is not counted")
    if layout.judge_stages(config):
        models.append("the judge's own training is not counted, nor the pairs and judgments that it learns from")
    mean, most = costs(config, assumed), costs(config, assumed, longest=True)
    rows = [
        [own.work.label, own.work.jobs, own.work.completions]
        + [*_sums([own]), *map(_hours, (own.hours, own.held, top.held))]
        for own, top in zip(mean, most, strict=True)
    ]
    counts = [sum(own.work.jobs for own in mean), sum(own.work.completions for own in mean)]
    hours = [sum(own.hours for own in mean), *(sum(own.held for own in part) for part in (mean, most))]
    rows.append(["**all**", *counts, *_sums(mean), *map(_hours, hours)])
    found = memory(config, assumed)
    columns = list(dict.fromkeys(what for parts in found.values() for what, size in parts.items() if size))
    taken = [
        [job, *(f"{parts[what]:.1f}" if parts.get(what) else "" for what in columns), f"{sum(parts.values()):.1f}"]
        for job, parts in found.items()
    ]
    tables = [_table(HEAD, rows), _table(" | ".join(["GiB of a GPU", *columns, "sum"]), taken)]
    return "\n\n".join([f"## {name}", "; ".join(models) + ".", *tables])


def _table(head: str, rows: list[list]) -> str:
    cells = [" | ".join(f"{cell:,}" if isinstance(cell, int) else cell for cell in row) for row in rows]
    return "\n".join([f"| {head} |", "|---|" + "---:|" * head.count(" | "), *(f"| {row} |" for row in cells)])


def _sums(parts: list[Cost]) -> list[str]:
    """Tokens written, trained on and judged in millions, and operations."""
    tokens = (sum(own.written for own in parts), sum(own.trained for own in parts), sum(own.judged for own in parts))
    return [*(f"{count / 1e6:,.1f} M" if count else "" for count in tokens), f"{sum(own.flops for own in parts):.1e}"]


def _hours(hours: float) -> str:
    return f"{hours:,.1f}" if hours >= 0.1 else f"{hours:.2f}"
