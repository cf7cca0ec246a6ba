"""`gavel replay`: rewards of another judge, lambda or verifier for a finished study's completions."""

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gavel.cli.commands import Commands, add_command, aligned, count, fraction
from gavel.common.errors import InputError, first_line
from gavel.common.files import open_atomically
from gavel.common.own_functions import load_function
from gavel.solutions.answers import use_budget

TRUTH = "truth"


def add_replay(commands: Commands) -> None:
    parser = add_command(
        commands,
        "replay",
        help="rewards of another judge, lambda or verifier for a finished study's completions",
        description="Without --judge, --lambda and --verifier, the judge is the truth.",
        examples=["replay results", "replay results/mine --judge other.yaml", "replay results/mine --lambda 0"],
    )
    parser.add_argument(
        "results",
        metavar="RESULTS",
        help="the results folder of a study that kept its rollouts (`rl.keep_rollouts`)",
    )
    parser.add_argument(
        "--judge",
        metavar="PATH_OR_CONFIG",
        help="model folder, hub name, study YAML, or `truth`; the default keeps scores",
    )
    parser.add_argument("--lambda", dest="lam", type=fraction, metavar="L", help="instead of each run's own")
    parser.add_argument(
        "--verifier",
        metavar="FILE.py:FUNCTION",
        help="decides whether answers to labelled questions are correct: gets lists of responses and gold answers, and "
        "returns a list of True, False or None",
    )
    parser.add_argument("--run", dest="only", action="append", metavar="RUN", help="only this run; may be repeated")
    parser.add_argument("--every", type=count, default=1, metavar="N", help="replay every Nth step that was kept")
    parser.add_argument(
        "--exact",
        action="store_true",
        help="ask the judge in each run's own batches, which makes its scores the same bit for bit on the same CPU; "
        "otherwise a completion that several runs share is judged once",
    )
    parser.add_argument(
        "--out", metavar="FOLDER", help="for replay.csv, replay.json and replay.svg (default: RESULTS/replay)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=replay)


def replay(options: argparse.Namespace) -> None:
    """`gavel replay`: replay the runs, write the table and the figure, and print a summary."""
    from gavel.replay.finished import read_study  # torch takes seconds; other commands should not wait

    study = read_study(options.results)
    runs = _chosen(study.runs(), options)
    out = Path(options.out or Path(options.results, "replay"))
    try:
        out.mkdir(parents=True, exist_ok=True)  # before the work
    except OSError as error:
        raise InputError(f"--out {out}: cannot be made ({error.strerror}); name another folder") from None
    use_budget(study.config["solution"]["batch_seconds"])
    replayed = list(_replayed(study, runs, options))
    title = _title(options)
    _write(replayed, title, out, study)
    if options.json:
        print(json.dumps({"reward": title, "runs": [run.summary for run in replayed]}))
        return
    print("\n".join(_lines(replayed, title)))
    print(f"\nopen {out / 'replay.svg'}")


def _chosen(kept: Sequence[str], options: argparse.Namespace) -> Sequence[str]:
    if not kept:
        raise InputError(f"{options.results}: no run has kept its rollouts; set rl.keep_rollouts to 1 and train again")
    if unknown := [run for run in options.only or () if run not in kept]:
        raise InputError(f"--run: {unknown[0]!r} has kept no rollouts; choose from {', '.join(kept)}")
    return [run for run in kept if not options.only or run in options.only]


def _judge(options: argparse.Namespace) -> str | None:
    """What judges: a model or a study's judge, `truth`, or None for the kept scores."""
    unchanged = options.judge is None and options.lam is None and options.verifier is None
    return TRUTH if unchanged else options.judge


def _title(options: argparse.Namespace) -> str:
    """The replayed reward in words."""
    judge = _judge(options)
    parts = [f"judge {judge}" if judge else "", f"lambda {options.lam:g}" if options.lam is not None else ""]
    return ", ".join(filter(None, [*parts, f"verifier {options.verifier}" if options.verifier else ""]))


def _replayed(study: Any, runs: Sequence[str], options: argparse.Namespace) -> Iterator[Any]:
    from gavel.cli.judge_files import settings
    from gavel.judge import load
    from gavel.replay.rewards import Reward, Truth

    truth = Truth(study.questions, study.rules())
    verifier = _verifier(options.verifier) if options.verifier else None
    name = _judge(options)
    with ExitStack() as stack:
        model = stack.enter_context(settings(name, study.answers)) if name and name != TRUTH else None
        folder = stack.enter_context(TemporaryDirectory())
        judge = None
        for number, run in enumerate(runs):
            if model and (judge is None or options.exact):
                judge = load.load(**model | _cache(model, Path(folder, f"{number}.db"), options.exact))
            reward = Reward(judge, name == TRUTH, options.lam, verifier)
            yield study.replay(run, reward, truth, every=options.every)


def _cache(settings: dict[str, Any], path: Path, exact: bool) -> dict[str, Any]:
    """Keep the judge's answers, unless the run itself did not."""
    return {} if exact and settings.get("cache") == "off" else {"cache": str(path)}


def _verifier(name: str) -> Any:
    """The function of a Python file, `FILE.py:FUNCTION`, whose results are checked."""
    path, _, function = name.rpartition(":")
    own = load_function(path, function, f"--verifier {name}")

    def checked(responses: Sequence[str], golds: Sequence[str]) -> list[bool | None]:
        try:
            found = list(own(list(responses), list(golds)))
        except Exception as error:
            raise InputError(f"--verifier {name}: {first_line(error)}") from error
        if len(found) != len(responses) or any(value not in (True, False, None) for value in found):
            raise InputError(
                f"--verifier {name}: expected {len(responses)} values, True, False or None, one for each response"
            )
        return found

    return checked


COLUMNS = (
    "run", "steps", "completions", "missing", "agreement", "correlation", "AUC original", "AUC replayed", "diverges at",
)  # fmt: skip


def _lines(replayed: Sequence[Any], title: str) -> Iterator[str]:
    """A table with a line for each run, and what its columns mean."""
    from gavel.replay.study import BELOW, PATIENCE

    rows = [
        (
            run.summary["run"],
            str(run.summary["steps"]),
            f"{run.summary['completions']:,}",
            f"{run.summary['missing']:.1%}",
            _number(run.summary["agreement"]),
            _number(run.summary["correlation"]),
            _interval(run.summary["auc_original"]),
            _interval(run.summary["auc_replayed"]),
            str(run.summary["diverges_at"] or "never"),
        )
        for run in replayed
    ]
    yield f"original: the rewards of the runs; replayed: {title}\n"
    yield from aligned([COLUMNS, *rows])
    yield (
        "\nagreement: of pairs of a question's completions that the original reward tells apart, the fraction that the "
        "other orders alike\ncorrelation: of the advantages (reward minus the mean of the question's completions)\n"
        "AUC: within questions, against the truth, with 95 % intervals\nmissing: completions without a replayed "
        "reward, such as those of runs at lambda 1, which asked no judge (add --judge)\ndiverges at: the first of "
        f"{PATIENCE} replayed steps in a row with a correlation below {BELOW:g}"
    )


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _interval(value: tuple[float, float, float] | None) -> str:
    return "undefined" if value is None else f"{value[0]:.3f} ({value[1]:.3f} to {value[2]:.3f})"


def _write(replayed: Sequence[Any], title: str, out: Path, study: Any) -> None:
    from gavel.replay.study import write_replay
    from gavel.report.plots.replay import replay_figure
    from gavel.study.layout import ReplayFiles, rl_runs

    grid = {run: (about["algorithm"], about["lam"]) for run, about in rl_runs(study.config).items()}
    try:
        write_replay(replayed, title, ReplayFiles(str(out)))
        with open_atomically(out / "replay.svg") as handle:
            handle.write(replay_figure({run.summary["run"]: run.rows for run in replayed}, grid, title))
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written ({error.strerror}); name another folder") from None
