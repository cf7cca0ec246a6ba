"""`gavel cost`: estimate what studies cost on GPUs, from their configs alone, as Markdown."""

import argparse
import math
import shlex
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any, NamedTuple

from gavel.cli.commands import Commands, add_changes, add_command, add_old_name, changes
from gavel.common.errors import InputError
from gavel.common.paths import ROOT
from gavel.study import config_files, layout, resolve, sweep
from gavel.study.cost.estimate import Assumptions, Cost, costs
from gavel.study.cost.lengths import Lengths, lengths_of
from gavel.study.cost.memory import jobs
from gavel.study.cost.sizes import panel_sizes, sizes


class Option(NamedTuple):
    """An option for one of the assumptions: its name, its former name, and its help."""

    name: str
    former: str
    help: str


# By the names of the fields of `Assumptions`.
OPTIONS = {
    "prompt": Option("--prompt-tokens", "--prompt", "mean length of a solving prompt, in tokens"),
    "judging": Option(
        "--judge-prompt-tokens", "--judging", "mean length of a judging prompt without the response, in tokens"
    ),
    "length": Option(
        "--completion-fraction", "--length", "mean response length, as a fraction of solution.max_new_tokens"
    ),
    "reasoning": Option(
        "--reasoning-fraction",
        "--reasoning",
        "mean length of a judge's reasoning, as a fraction of judge.reasoning.max_new_tokens",
    ),
    "peak": Option("--peak-flops", "--peak", "a GPU's peak operations per second, dense, in bfloat16"),
    "training": Option("--mfu-training", "--training", "fraction of the peak that training reaches"),
    "reading": Option("--mfu-prefill", "--reading", "fraction of the peak that prefill reaches, the judge's included"),
    "writing": Option(
        "--mfu-decode", "--writing", "fraction of the peak that decoding reaches; less for small models and batches"
    ),
    "vllm": Option("--vllm-efficiency", "--vllm", "fraction of the peak that decoding with vLLM reaches"),
}
# Dense bfloat16, of the SXM cards' data sheets.
GPUS = {"a100": 312e12, "h100": 989e12}
UNBOUNDED = ("prompt", "judging", "peak")
HEAD = "rule | jobs | completions | written | trained on | judged | operations | GPU hours | held | held, at most"


def add_cost(commands: Commands) -> None:
    parser = add_command(
        commands,
        "cost",
        help="estimate a study's GPU cost from its config: tokens, operations, memory and hours",
        description="Prints tables in Markdown. Lengths and rates are assumptions, and are printed as such.",
        examples=[
            "cost config/minimal.yaml",
            "cost mine.yaml --gpu h100 --mfu-decode 0.05",
            "cost a.yaml b.yaml > cost.md",
        ],
    )
    parser.add_argument("configs", metavar="STUDY.yaml", nargs="+", help="a study's config, or a sweep's")
    add_changes(parser)
    peak = parser.add_mutually_exclusive_group()
    peak.add_argument(
        "--gpu",
        choices=tuple(GPUS),
        help=f"peak of this GPU's data sheet: {', '.join(f'{gpu} {_shown(rate)}' for gpu, rate in GPUS.items())}",
    )
    defaults = asdict(Assumptions())
    for field in fields(Assumptions):
        option = OPTIONS[field.name]
        parent = peak if field.name == "peak" else parser
        parent.add_argument(
            option.name,
            dest=field.name,
            type=field.type,
            default=defaults[field.name],
            metavar="N" if field.type is int else "X",
            help=f"{option.help} ({_shown(defaults[field.name])})",
        )
        add_old_name(parser, option.former, option.name, dest=field.name, type=field.type)
    parser.set_defaults(run=cost)


def _shown(number: float) -> str:
    """A number of tokens, a fraction, or a rate such as 312e12, as in data sheets."""
    return f"{number / 1e12:g}e12" if number >= 1e12 else f"{number:g}"


def cost(options: argparse.Namespace) -> None:
    """`gavel cost`: count and print."""
    given = {field.name: getattr(options, field.name) for field in fields(Assumptions)}
    assumed = Assumptions(**given | ({"peak": GPUS[options.gpu]} if options.gpu else {}))
    for name, value in asdict(assumed).items():
        limit = math.inf if name in UNBOUNDED else 1
        if not 0 < value <= limit or value == math.inf:
            most = " and at most 1" if limit == 1 else ""
            raise InputError(f"{OPTIONS[name].name} {value:g}: give a number above 0{most}")
    print(page(options.configs, assumed, options.overlays, options.settings), end="")


def page(configs: list[str], assumed: Assumptions, overlays: Sequence[str] = (), settings: Sequence[str] = ()) -> str:
    """The complete page for some studies' YAML files, each with the same changes."""
    plain = asdict(Assumptions())
    changed = [
        f"{OPTIONS[name].name}={_shown(value)}" for name, value in asdict(assumed).items() if value != plain[name]
    ]
    changed += changes(overlays, settings)
    command = shlex.join(["gavel", "cost", *configs, *changed])
    parts = [f"# What a study costs\n\nPrinted by `{command}` from the configs alone; nothing here was measured."]
    studies = [(label, config) for name in configs for label, config in studies_in(name, overlays, settings).items()]
    parts += [_assumptions(assumed), *(_study(label, config, assumed) for label, config in studies)]
    return "\n\n".join(parts) + "\n"


def studies_in(name: str, overlays: Sequence[str] = (), settings: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Title -> resolved config of a YAML file, also a shipped one; for a sweep, one per variant, each as if alone.

    Args:
        overlays, settings: changes (`gavel.study.config_files.read_changed`).
    """
    raw = config_files.read_changed(name, overlays, settings)
    if not raw.get("sweep"):
        return {f"`{name}`": resolve.resolve(raw, ROOT)}
    return {f"`{name}`, variant `{key}`": study for key, study in sweep.resolve(raw, ROOT)["variants"].items()}


def _assumptions(a: Assumptions) -> str:
    return f"""## Assumptions

- Lengths, in tokens: a solving prompt has {a.prompt}, a judging prompt {a.judging} plus the response, a response
  {a.length:.0%} of `solution.max_new_tokens` (labelled solutions too), a judge's reasoning {a.reasoning:.0%} of
  `judge.reasoning.max_new_tokens`. "At most" takes the maximum length for every response and reasoning. No response is
  a duplicate, so every one is judged.
- A pairwise judge reads two responses per prompt, and each pair in both orders. A chain-of-thought judge reads its
  prompt once to reason and once for each verdict, with its reasoning. "Judged" counts all tokens that the judge reads
  and writes. Shared prefixes are counted every time, although Gavel and most servers compute them once, which saves
  more than half of a round robin (measured in docs/explanation/judges.md).
- Operations, per parameter and token: 2 for reading or writing, 6 for training (Kaplan et al. 2020, arXiv 2001.08361,
  section 2.1), 8 with gradient checkpointing. Attention over the context is left out.
- Rates: a GPU's peak is {a.peak / 1e12:g} · 10¹² operations per second. Training reaches {a.training:.0%} of it,
  prefill (the judge) {a.reading:.0%}, decoding (a judge's reasoning too) {a.writing:.0%}, decoding with vLLM
  {a.vllm:.0%}. Hours are inversely proportional to these; set your own.
- "GPU hours" are of GPUs in use. "Held" counts all GPUs allocated to a job, its server's too.
- Memory is that of one process, in GiB: weights, gradients, AdamW's two states, other models, the KV cache ("keys and
  values"), activations, logits, and the process itself ("base"). Measured peaks of SFT, GRPO and PPO were within a
  factor of 1.5 of such sums on a CPU ([benchmarks](../../benchmarks/README.md)). The lengths come from a sample of the
  study's questions and labelled solutions if they and the student are here; otherwise they are the ones above, and the
  longest prompt has twice as many tokens. "At most" takes the maximum length for every response. Sampling and serving
  with vLLM have no row: vLLM takes the fraction of memory that it is given.
- Data sets are counted in full; duplicates are removed later."""


def _study(name: str, config: dict[str, Any], assumed: Assumptions) -> str:
    student, judge = sizes(config)
    models = [f"student `{config['student']['model']}` ({student.parameters / 1e6:,.0f} million parameters)"]
    if judge:
        models.append(f"judge `{config['judge']['model']}` ({judge.parameters / 1e6:,.0f} million)")
    elif members := panel_sizes(config):
        shown = ", ".join(f"{member.size.parameters / 1e6:,.0f}" for member in members)
        models.append(f"a panel of judges ({shown} million); their reasoning is not counted")
    else:
        models.append("the judge's server is not counted")
    if layout.judge_stages(config):
        models.append("the judge's own training, with its pairs and judgments, is not counted")
    mean, maximum = costs(config, assumed), costs(config, assumed, longest=True)
    rows = [
        [cost.work.label, cost.work.jobs, cost.work.completions]
        + [*_sums([cost]), *map(_hours, (cost.hours, cost.allocated, upper.allocated))]
        for cost, upper in zip(mean, maximum, strict=True)
    ]
    counts = [sum(cost.work.jobs for cost in mean), sum(cost.work.completions for cost in mean)]
    hours = [sum(cost.hours for cost in mean), *(sum(cost.allocated for cost in part) for part in (mean, maximum))]
    rows.append(["**all**", *counts, *_sums(mean), *map(_hours, hours)])
    return "\n\n".join([f"## {name}", "; ".join(models) + ".", _table(HEAD, rows), *_memory(config, assumed)])


def _memory(config: dict[str, Any], assumed: Assumptions) -> list[str]:
    """The table of the jobs' memory, and what it rests on."""
    lengths = lengths_of(config, prompt=assumed.prompt, judging=assumed.judging, length=assumed.length)
    expected, most = jobs(config, lengths), jobs(config, lengths.longest())
    columns = list(dict.fromkeys(part for job in expected.values() for part in job.parts))
    rows = [
        [name, *(_gib(job.parts.get(part, 0)) for part in columns), *map(_gib, (job.base, job.peak, most[name].peak))]
        for name, job in expected.items()
    ]
    where = "GiB of a GPU" if config["compute"]["gpus"] else "GiB"
    return [_table(" | ".join([where, *columns, "base", "sum", "at most"]), rows), _lengths(lengths)]


def _lengths(lengths: Lengths) -> str:
    source = f"measured on {lengths.questions} questions" if lengths.questions else "assumed"
    return (
        f"Lengths in the table of memory, {source}: prompts up to {lengths.longest_prompt:.0f} tokens, responses "
        f"{lengths.response:.0f} on average and {lengths.longest_response:.0f} at most."
    )


def _gib(size: float) -> str:
    gib = size / 2**30
    return "" if gib < 0.005 else f"{gib:.1f}" if gib >= 1 else f"{gib:.2f}"


def _table(head: str, rows: list[list[Any]]) -> str:
    cells = [" | ".join(f"{cell:,}" if isinstance(cell, int) else cell for cell in row) for row in rows]
    return "\n".join([f"| {head} |", "|---|" + "---:|" * head.count(" | "), *(f"| {row} |" for row in cells)])


def _sums(parts: list[Cost]) -> list[str]:
    """Tokens written, trained on and judged, in millions, and operations."""
    tokens = (sum(c.written for c in parts), sum(c.trained for c in parts), sum(c.judged for c in parts))
    return [*(f"{count / 1e6:,.1f} M" if count else "" for count in tokens), f"{sum(c.flops for c in parts):.1e}"]


def _hours(hours: float) -> str:
    return f"{hours:,.1f}" if hours >= 0.1 else f"{hours:.2f}"
