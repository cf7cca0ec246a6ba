"""`gavel replay`: what another judge, lambda or verifier would have paid for a finished study's completions."""

import argparse
import csv
import importlib.util
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gavel.cli.commands import Commands
from gavel.common.errors import InputError, first_line
from gavel.common.files import open_atomically, write_json

BELOW, PATIENCE = 0.5, 3


def add_replay(commands: Commands) -> None:
    parser = commands.add_parser(
        "replay",
        help="what another judge, lambda or verifier would have paid for a finished study's completions",
        description="RESULTS is the results folder of a study that kept its rollouts (`rl.keep_rollouts`). Without "
        "--judge, --lambda and --verifier, the judge is the truth.",
    )
    parser.add_argument("results", metavar="RESULTS")
    parser.add_argument(
        "--judge",
        metavar="PATH_OR_CONFIG",
        help="model folder, hub name, study YAML, or `truth`; the default keeps scores",
    )
    parser.add_argument("--lambda", dest="lam", type=_fraction, metavar="L", help="instead of each run's own")
    parser.add_argument(
        "--verifier",
        metavar="FILE.py:FUNCTION",
        help="decides whether answers to labelled questions are correct: gets lists of responses and gold answers, and "
        "returns a list of True, False or None",
    )
    parser.add_argument("--run", dest="only", action="append", metavar="RUN", help="only this run; may be repeated")
    parser.add_argument("--every", type=_count, default=1, metavar="N", help="replay every Nth step that was kept")
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


def _fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _count(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return value


def replay(options: argparse.Namespace) -> None:
    """`gavel replay`: replay the runs, write the table and the figure, and print a summary."""
    from gavel.replay.study import FinishedStudy  # torch takes seconds; other commands should not wait

    study = FinishedStudy(options.results)
    runs = _chosen(study.runs(), options)
    out = Path(options.out or Path(options.results, "replay"))
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


def _title(options: argparse.Namespace) -> str:
    """What pays in the replay, in words."""
    parts = [f"judge {options.judge}" if options.judge else ""]
    parts += [f"lambda {options.lam:g}" if options.lam is not None else ""]
    parts += [f"verifier {options.verifier}" if options.verifier else ""]
    return ", ".join(filter(None, parts)) or "judge truth"


def _replayed(study: Any, runs: Sequence[str], options: argparse.Namespace) -> Iterator[Any]:
    from gavel.judge import load
    from gavel.replay.rewards import Reward, Truth

    truth = Truth(study.questions, study.rules())
    verifier = _verifier(options.verifier) if options.verifier else None
    judge = options.judge or ("truth" if options.lam is None and verifier is None else None)
    with ExitStack() as stack:
        settings = stack.enter_context(_judge_settings(judge, study)) if judge else None
        folder = stack.enter_context(TemporaryDirectory())
        asked = None
        for number, run in enumerate(runs):
            if settings and (asked is None or options.exact):
                asked = load.load(**settings | _cache(settings, Path(folder, f"{number}.db"), options.exact))
            reward = Reward(asked, options.lam, verifier)
            yield study.replay(run, reward, truth, every=options.every, below=BELOW, patience=PATIENCE)


def _cache(settings: dict[str, Any], path: Path, exact: bool) -> dict[str, Any]:
    """Keep the judge's answers, unless the run itself did not."""
    return {} if exact and settings.get("cache") == "off" else {"cache": str(path)}


def _judge_settings(name: str, study: Any) -> Any:
    """A context that yields keyword arguments of `gavel.judge.load.load`."""
    from contextlib import nullcontext

    from gavel.cli.judge_files import settings

    if name != "truth":
        return settings(name, study.answers)
    task = {"format": study.config["solution"]["format"], "answer_type": study.config["data"]["answer_type"]}
    perfect = {"tpr": 1.0, "fpr": 0.0, "errors": "once", "noise": 0.0, "seed": 0, "bias": None, "weight": 1.0}
    return nullcontext({"kind": "simulated", "simulated": perfect | task, "answers": study.answers})


def _verifier(name: str) -> Any:
    """The function of a Python file, `FILE.py:FUNCTION`, whose results are checked."""
    path, _, function = name.rpartition(":")
    if not path.endswith(".py") or not Path(path).is_file():
        raise InputError(f"--verifier {name}: expected FILE.py:FUNCTION, with a file that exists")
    spec = importlib.util.spec_from_file_location("gavel_verifier", path)
    assert spec and spec.loader  # a Python file has both
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        own = getattr(module, function)
    except Exception as error:
        raise InputError(f"--verifier {name}: {first_line(error)}") from error

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


COLUMNS = ("run", "steps", "completions", "agreement", "correlation", "AUC paid", "AUC replayed", "parts at step")


def _lines(replayed: Sequence[Any], title: str) -> Iterator[str]:
    """A table with a line for each run, and what its columns mean."""
    rows = [
        (
            run.summary["run"],
            str(run.summary["steps"]),
            f"{run.summary['completions']:,}",
            _number(run.summary["agreement"]),
            _number(run.summary["correlation"]),
            _interval(run.summary["auc_paid"]),
            _interval(run.summary["auc_replayed"]),
            str(run.summary["parted"] or "never"),
        )
        for run in replayed
    ]
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    yield f"paid: the rewards of the runs; replayed: {title}\n"
    for row in (COLUMNS, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield (
        "\nagreement: of pairs of a question's completions that the paid reward tells apart, the fraction that the "
        "other orders alike\ncorrelation: of the advantages (reward minus the mean of the question's completions)\n"
        "AUC: within questions, against the truth, with 95 % intervals\nparts at step: the first of "
        f"{PATIENCE} replayed steps in a row with a correlation below {BELOW:g}"
    )


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _interval(value: tuple[float, float, float] | None) -> str:
    return "undefined" if value is None else f"{value[0]:.3f} ({value[1]:.3f} to {value[2]:.3f})"


def _write(replayed: Sequence[Any], title: str, out: Path, study: Any) -> None:
    from gavel.report.plots.replay import replay_figure
    from gavel.study.layout import grid_runs

    grid = {run: (about["algorithm"], about["lam"]) for run, about in grid_runs(study.config).items()}
    try:
        out.mkdir(exist_ok=True)
        write_json(out / "replay.json", {"reward": title, "runs": [run.summary for run in replayed]})
        with open_atomically(out / "replay.csv", newline="") as handle:
            writer = csv.writer(handle)
            columns = list(replayed[0].rows[0]) if replayed[0].rows else ["step"]
            writer.writerow(["run", *columns])
            writer.writerows([run.summary["run"], *row.values()] for run in replayed for row in run.rows)
        with open_atomically(out / "replay.svg") as handle:
            handle.write(replay_figure({run.summary["run"]: run.rows for run in replayed}, grid, title))
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written ({error.strerror}); name another folder") from None
