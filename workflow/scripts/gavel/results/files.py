"""Read the files of a results folder, with errors that name the file and what to do."""

from collections.abc import Iterable
from pathlib import Path
from types import UnionType
from typing import Any, cast

import pandas as pd
from pandas.api.types import is_numeric_dtype

from gavel.common.errors import InputError, first_line
from gavel.common.files import read_json
from gavel.common.paths import ROOT
from gavel.common.redaction import redact
from gavel.evaluation.metrics import is_control
from gavel.evaluation.records import RunColumns
from gavel.study import config_files, layout, resolve
from gavel.study.layout import Layout, run_name
from gavel.study.results_version import check_version
from gavel.study.rules import RULES
from gavel.study.schema.study import fill_defaults

RERUN = "delete it and rerun the study"  # advice for a file that the study did not write in this form
NUMBER = int | float
# Columns of text, and columns that have a value in every row of the test results.
TEXT_COLUMNS = set("algorithm control run checkpoint set metric baseline primary judge by part items".split())
REQUIRED_COLUMNS = set("run checkpoint baseline set metric k n".split())
# Columns of numbers in monitor.csv and training.csv.
MONITOR_COLUMNS = ("step", "accuracy", "greedy", "judge", "collapsed", "judge_tokens", "reward")
RUN = {"status": str, "algorithm": str, "lambda": NUMBER | None, "seed": NUMBER | None, "seconds": NUMBER | None}


def read_config(results: str | Path, config: str | Path | None = None) -> dict[str, Any]:
    """The resolved config of the study in a results folder.

    A study writes its config with its report, also with that of a study that stopped early.

    Args:
        config: the study's YAML file, for a study that has no report yet.

    Raises:
        InputError: there is no such folder, no study has written its config there, it is malformed, or a newer version
            of Gavel has written it.
    """
    check_version(results)
    if config is not None:
        return resolve.read(config, ROOT)
    files = Layout(results)
    places = [Path(files.config), Path(files.unfinished.config)]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise InputError(f"{places[0]}: no such file; {_what_to_name(Path(results))}")
    try:
        return fill_defaults(config_files.read(path))
    except InputError as error:
        raise error if str(path) in str(error) else InputError(f"{path}: {error}") from None


def _what_to_name(folder: Path) -> str:
    variants = sorted(path.parent.name for path in folder.glob("*/config.yaml")) if folder.is_dir() else []
    if variants:
        return f"name the results folder of a finished study, such as one of those in here: {', '.join(variants)}"
    return "name the results folder of a finished study, or finish this one with the command that started it"


def read_runs(files: Layout, study: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Run -> its run.json with the run's place in the grid, the baseline first, then in the grid's order.

    A run without a run.json has `{"run", "status", ...}`; the status is 'missing', or 'failed' with the last line of
    its log as `reason`.

    Raises:
        InputError: a run.json is malformed.
    """
    planned, named = layout.runs(study), study["primary"]
    # In a study's own config these are runs of the grid; in a changed one they are reported as missing.
    for seed in study["rl"]["seeds"] if named["seed"] is None else [named["seed"]]:
        columns = {"algorithm": named["algorithm"], "lambda": named["lambda"], "seed": seed, "control": None}
        missing = cast(RunColumns, columns)
        planned.setdefault(run_name(named["algorithm"], named["lambda"], seed), missing)
    runs: dict[str, dict[str, Any]] = {
        run: {"run": run, **grid_run, "status": "missing"} for run, grid_run in planned.items()
    }
    for path in matching(files, files.runs("*").run_json):
        run = path.parent.name
        if baseline_rule(run) and run not in planned:
            continue  # from before the config's `sft` was changed
        found = read_object(path, **RUN)
        if "status" not in found:
            raise InputError(f"{path}: no 'status'; {RERUN}")
        runs[run] = runs.get(run, {"algorithm": run, "lambda": 0.0, "seed": None}) | found
        about = cast(RunColumns, runs[run])
        if not baseline_rule(about["algorithm"]) and about["lambda"] is None and not is_control(about):
            raise InputError(f"{path}: no 'lambda', which an RL run needs; {RERUN}")
    for run, summary in runs.items():
        rule = baseline_rule(run)
        rules = [rule] if rule else ["train_rl"]
        if is_control(cast(RunColumns, summary)) and summary["algorithm"] == "sft":
            rules = ["train_control", "control_examples"]
        of = {} if rule else {"run": run}
        logs = [Path(files.log(RULES[one], **of)) for one in rules]  # type: ignore[arg-type]  # rules are frozen
        if summary["status"] == "missing" and (written := [log for log in logs if log.exists()]):
            summary |= {"status": "failed", "reason": last_line(written[0])}
    return runs


def baseline_rule(run: str) -> str | None:
    """The rule that makes a baseline; None for a run of the grid."""
    return {"sft": "train_sft", "base": "validate_base"}.get(run)


def last_line(log: Path) -> str:
    """The last line of a log with secrets redacted, cut after 300 characters."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return redact(lines[-1])[:300] if lines else "its log is empty"


def first_flag(validations: pd.DataFrame, column: str) -> float | None:
    """The step of a run's first validation with 1 in a column; None if there is none."""
    if column not in validations:
        return None
    flagged = validations.loc[validations[column] == 1, "step"]
    first: float | None = None if flagged.empty else flagged.min()
    return first


def matching(files: Layout, pattern: str) -> list[Path]:
    """The existing files that match a path of `files` in which `*` stands for a name."""
    return sorted(Path(files.root).glob(pattern.removeprefix(f"{files.root}/")))


def read_object(path: Path, **kinds: type | UnionType) -> dict[str, Any]:
    """Read a JSON object and check the types of some keys' values; the keys are optional.

    Raises:
        InputError: the file has no JSON object, or a value has another type.
    """
    found = read_json(path)
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected a JSON object, found {type(found).__name__}; {RERUN}")
    for key, kind in kinds.items():
        if key in found and not isinstance(found[key], kind):
            raise InputError(
                f"{path}: {key!r} is {type(found[key]).__name__}, which a study never writes here; {RERUN}"
            )
    return found


def read_table(path: str, columns: list[str], filled: Iterable[str] = ()) -> pd.DataFrame:
    """A table of the workflow, without rows if the file is missing.

    Raises:
        InputError: a column or a value is missing, or a column of numbers has text.
    """
    if not Path(path).exists():
        return pd.DataFrame(columns=columns)
    try:
        # 'None' and 'NA' are ordinary names here; only an empty field is a missing value.
        table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a CSV table ({first_line(error)}); {RERUN}") from None
    if lost := [name for name in columns if name not in table]:
        raise InputError(f"{path}: no column {lost[0]!r}; {RERUN}")
    if wrong := [name for name in columns if name not in TEXT_COLUMNS and not _numeric(table[name])]:
        raise InputError(f"{path}: the column {wrong[0]!r} has values that are not numbers; {RERUN}")
    if gaps := [name for name in columns if name in filled and table[name].isna().any()]:
        raise InputError(f"{path}: a row has no {gaps[0]!r}, as if the file was cut off; {RERUN}")
    return table


def read_tables(paths: dict[str, str]) -> dict[str, pd.DataFrame]:
    """Run -> its table, for tables that exist and have rows. Raises `InputError` as `read_table` does."""
    found = {}
    for run, path in paths.items():
        if Path(path).exists() and Path(path).stat().st_size:
            table = csv_table(path)
            if wrong := [name for name in MONITOR_COLUMNS if name in table and not _numeric(table[name])]:
                raise InputError(f"{path}: the column {wrong[0]!r} has values that are not numbers; {RERUN}")
            if len(table) and "step" in table:
                found[run] = table
    return found


def csv_table(path: str | Path) -> pd.DataFrame:
    """A CSV file with any columns. Raises `InputError` if it is not a CSV table."""
    try:
        return pd.read_csv(path)
    except ValueError as error:
        raise InputError(f"{path}: not a CSV table ({first_line(error)}); {RERUN}") from None


def _numeric(column: pd.Series) -> bool:
    return is_numeric_dtype(column) or bool(column.isna().all())
