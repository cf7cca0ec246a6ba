"""Write the result tables and figures of README.md and docs/studies from finished studies; none is written by hand.

docs/studies/default.md has those of the default study, README.md a part of them. docs/studies/<name>.md has those
of the sweep in results/<name>, or of the study with controls there, if it was run. docs/studies/monitor.md and the
report have the errors of the monitor's rule over the sweeps in `WATCHED`; `gavel judge` has what the judges of the
first of them did. docs/studies/signal.md has the judges of the sweeps in `JUDGED`.
"""

import csv
import shutil
from pathlib import Path

import yaml

import signal_page
from gavel.common.files import write_text
from gavel.replay import monitor_rates
from gavel.report.cells import Cell, Table, percent
from gavel.report.comparison import judge_cost, tables
from gavel.report.comparison import page as comparison_page
from gavel.report.page import figure_file
from gavel.report.results import Results
from gavel.report.sections import controls, judge_training
from gavel.report.sections.summary_sentences import headline_sentence
from gavel.study import sweep
from gavel.study.layout import Layout
from gavel.study.schema.study import fill_defaults

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "studies"
# The sweeps over whose runs the monitor's errors are counted, and the settings of its rule.
WATCHED = ("dial", "bias")
JUDGED = ("dial", "bias", "judge-strength", "verifier")  # sweeps without mitigations, for docs/studies/signal.md
DROPS, PATIENCES = (0.02, 0.05, 0.1, 0.15, 0.2), (1, 2, 3)
BEGIN, END = "<!-- result: begin -->\n", "<!-- result: end -->\n"


def table(path: Path) -> list[dict]:
    with open(path, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def load_study(folder: Path) -> Results:
    """A finished study; its config may be from an earlier version."""
    return comparison_page.load_study(folder, complete=fill_defaults)


def main_results(results: Path) -> list[list[str]]:
    """The lines of a table: SFT's greedy accuracy on every test set, the mean over seeds of each algorithm and λ, and
    the controls and bounds; first the titles."""
    greedy = [row for row in table(Path(Layout(results).metrics)) if row["metric"] == "greedy"]
    sft = {row["set"]: row for row in greedy if (row["run"], row["checkpoint"]) == ("sft", "best")}
    means: dict[tuple[str, str], dict[str, dict]] = {}
    for row in table(Path(Layout(results).seeds)):
        if row["metric"] == "greedy":
            means.setdefault((row["algorithm"], row["lambda"]), {})[row["set"]] = row
    study = load_study(results)
    primary = study.study["primary"]
    first, *_ = sets = sorted(sft, key=lambda name: name != primary["test_set"])
    titles = ["run", *(f"`{name}` ({float(sft[name]['n']):,.0f})" for name in sets)]
    lines = [[*titles, f"seeds on `{first}`", f"`{first}`: difference from SFT [95 %]"]]
    lines.append(["SFT", *(f"{float(sft[name]['value']):.1%}" for name in sets), "", ""])
    for (algorithm, lam), rows in means.items():
        row, is_primary = rows[first], (algorithm, float(lam)) == (primary["algorithm"], primary["lambda"])
        bounds = f"[{points(row['difference_low'])}, {points(row['difference_high'])}]"
        cells = [f"{algorithm.upper()}, λ = {lam}", *(f"{float(rows[name]['value']):.1%}" for name in sets)]
        cells += [f"{100 * float(row['lowest']):.1f} to {float(row['highest']):.1%}"]
        lines.append([*cells, f"{points(row['difference'])} {bounds}{' (primary)' * is_primary}"])
    for kind in controls.kinds(study):
        if kind.is_control:
            cells = [kind.label, *(f"{kind.values[name].value:.1%}" for name in sets)]
            gain, few = kind.gains[first], "" if kind.seeds > 1 else "one seed"
            lines.append([*cells, few, f"{points(gain.difference)} [{points(gain.low)}, {points(gain.high)}]"])
    return lines


def shortened(lines: list[list[str]]) -> list[list[str]]:
    """SFT and the runs of the primary comparison's algorithm, on the first test set."""
    titles, sft, *runs = lines
    primary = next(run for run in runs if run[-1].endswith("(primary)"))
    algorithm = primary[0].partition("λ")[0]
    rows = [sft, *(run for run in runs if run[0].startswith(f"{algorithm}λ"))]
    return [[line[0], line[1], line[-1]] for line in (titles, *rows)]


def pipes(lines: list[list[str]]) -> str:
    """A table in Markdown; the first line has the titles."""
    rows = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([rows[0], "|" + "---|" * len(lines[0]), *rows[1:]]) + "\n"


def points(fraction: str | float) -> str:
    return f"{100 * float(fraction):+.1f}"


def compared(page: str) -> str:
    """A sweep's answer, figure and tables."""
    about = sweep.resolve(yaml.safe_load((ROOT / "config" / f"{page}.yaml").read_text(encoding="utf-8")), ROOT)
    folder = ROOT / about["results_dir"]
    studies = {variant: load_study(folder / variant) for variant in about["variants"]}
    ordered = comparison_page.in_order(studies, about["axis"])
    _, figure = comparison_page.accuracy_figure(studies, about["axis"]).panels[0]
    write_text(PAGES / f"{page}.svg", figure_file(figure) + "\n")
    parts = [comparison_page.headline_sentence(studies, about["axis"]), f"![Accuracy in every variant]({page}.svg)"]
    if about["axis"] == "judge_tokens":
        parts += ["Cost and gain of each judge, with 95 % intervals:", markdown(judge_cost.cost_table(studies))]
    for variant, study in studies.items():
        parts += trained(page, variant, study)
    for name in comparison_page.test_sets(studies):
        parts += [f"`{name}`: greedy accuracy and paired difference from SFT in percentage points [95 % interval]:"]
        parts += [markdown(comparison_page.main_results_table(ordered, name))]
        if max(len(study.study["rl"]["seeds"]) for study in studies.values()) == 1:  # else a column for every seed
            parts += ["The same with each run's best checkpoint by validation:"]
            parts += [markdown(comparison_page.main_results_table(ordered, name, "best"))]
        if (picks := tables.choices_table(studies, name)).rows:
            parts += [f"`{name}`, the best of n samples of a question, in %:", markdown(picks)]
    for variant, study in studies.items():
        if study.controls.runs:
            parts += [f"`{variant}` with its controls:", markdown(controls.controls_table(study))]
    return "\n\n".join([*parts, markdown(tables.overview_table(studies))]) + "\n"


def controlled(folder: Path) -> str:
    """A study's answer, and its table of controls and bounds."""
    study = load_study(folder)
    outcome, sentence = headline_sentence(study)
    return f"{outcome}. {sentence}\n\n{markdown(controls.controls_table(study))}\n"


def trained(page: str, variant: str, study: Results) -> list[str]:
    """The results of training a variant's judge, with its curve; empty if the judge is not trained."""
    stages = judge_training.stages(study)
    if not stages:
        return []
    parts = [f"`{variant}`: {judge_training.summary(study, stages)}"]
    for path in sorted(Path(study.files.figures).glob("judge-training-judge-benchmark.svg")):
        shutil.copy(path, PAGES / f"{page}-{variant}.svg")
        parts.append(f"![The judge of {variant} on the judge benchmark]({page}-{variant}.svg)")
    if (gains := judge_training.gain_table(study, stages)).rows:
        parts.append(markdown(gains))
    return [*parts, markdown(judge_training.stage_table(stages))]


def judge_qualities(folder: Path) -> None:
    """Write what judges of each quality did to GRPO at lambda 0, for `gavel judge`; their errors belong to the text."""
    rows = []
    for study in (load_study(path) for path in sorted(folder.iterdir()) if Path(Layout(path).config).exists()):
        simulated, primary = study.study["judge"]["simulated"], study.primary
        if simulated["errors"] != "once" or study.study["primary"]["algorithm"] != "grpo":
            continue
        row = study.comparison(primary["run"], study.baseline.run, primary["set"], primary["metric"], primary["k"])
        found = study.calibration
        rows.append((found["auc_within"], found["youden_j"], row.difference, row.low, row.high))
    lines = [
        "auc_within,youden_j,difference,low,high",
        *(",".join(f"{value:.4f}" for value in row) for row in sorted(rows)),
    ]
    write_text(ROOT / "workflow" / "scripts" / "gavel" / "judge_eval" / "simulated_judges.csv", "\n".join(lines) + "\n")


def monitor_errors(folders: list[Path]) -> str:
    """The errors of the monitor's rule over the runs of several studies, which are also written for the report."""
    watched = [run for folder in folders for run in monitor_rates.watched_runs(folder)]
    # Sweeps may share a variant; the first one counts, since only it may have been replayed.
    runs = list({repr(run.validations): run for run in reversed(watched)}.values())
    found = monitor_rates.table(runs, DROPS, PATIENCES)
    monitor_rates.write_table(found, ROOT / "workflow" / "scripts" / "gavel" / "report" / "monitor_rates.csv")
    head = [
        "`collapse_drop`",
        "`collapse_patience`",
        "flagged, % [95 %]",
        "of these, correctness fell",
        "missed, % [95 %]",
    ]
    lines = ["| " + " | ".join([*head, "median delay, steps (quartiles)"]) + " |", "|" + "---|" * 6]
    for row in found:
        cells = [f"{row['drop']:g}", str(row["patience"]), share(row["false_alarms"]), str(row["fell"])]
        cells += [share(row["missed"]), delay(row)]
        lines.append("| " + " | ".join(cells) + " |")
    counts = f"{found[0]['clean']} runs without an onset, {found[0]['hacked']} with one:"
    return counts + "\n\n" + "\n".join(lines) + "\n" + watcher_errors(folders, runs)


def watcher_errors(folders: list[Path], runs: list[monitor_rates.WatchedRun]) -> str:
    """The errors of the alarms of watching judges, over the runs that were replayed with them; empty without any."""
    scores: dict[str, dict] = {}
    for folder in folders:
        for path in sorted(Path(Layout(folder).replay("x").steps).parents[1].glob("*/replay.csv")):
            judge = path.parent.name
            scores.setdefault(judge, {}).update(monitor_rates.replayed_scores(folder, judge))
    if not scores:
        return ""
    head = ["watching judge", "drop", "runs without an onset", "with one", "alarms, % [95 %]"]
    head += ["of these, correctness fell", "missed, % [95 %]", "median delay, steps (quartiles)"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for judge, own in scores.items():
        for row in (monitor_rates.watcher_rates(runs, own, judge, drop) for drop in DROPS):
            cells = [f"`{judge}`", f"{row['drop']:g}", str(row["clean"]), str(row["hacked"])]
            cells += [share(row["false_alarms"]), str(row["fell"]), share(row["missed"]), delay(row)]
            lines.append("| " + " | ".join(cells) + " |")
    return (
        "\nThe alarms of judges that watch, by their scores of every step's completions:\n\n" + "\n".join(lines) + "\n"
    )


def delay(row: monitor_rates.Errors) -> str:
    """The median delay of a flag with its quartiles."""
    if row["median_delay"] is None:
        return "–"
    median, low, high = (f"{round(steps)}".replace("-", "−") for steps in (row["median_delay"], *row["delays"]))
    return f"{median} ({low} to {high})"


def share(estimate: tuple[float, float, float] | None) -> str:
    if estimate is None:
        return "–"
    value, low, high = estimate
    return f"{percent(value)} [{percent(low)}–{percent(high)}]"


def markdown(table: Table) -> str:
    titles = [title for title, _ in table.columns]
    if table.groups:  # Markdown has one header row
        names = [name.partition(" (")[0] for name, columns in table.groups for _ in range(columns)]
        titles = [f"{name}: {title}" if name else title for name, title in zip(names, titles, strict=True)]
    return pipes([titles, *([_markdown(cell) for cell in row] for row in table.rows)]).rstrip("\n")


def _markdown(cell: Cell) -> str:
    if not cell.sub:
        return cell.text
    return f"{cell.text} [{cell.sub}]" if cell.number else f"{cell.text}: {cell.sub}"


def fill(page: Path, text: str) -> None:
    """Replace the text between the page's marks."""
    head, rest = page.read_text(encoding="utf-8").split(BEGIN)
    write_text(page, head + BEGIN + "\n" + text + "\n" + END + rest.split(END)[1])


if __name__ == "__main__":
    results = ROOT / "results"
    if Path(Layout(results).metrics).exists():
        lines = main_results(results)
        fill(ROOT / "README.md", pipes(shortened(lines)))
        fill(PAGES / "default.md", pipes(lines))
        shutil.copy(Path(Layout(results).figures, "accuracy-against-lambda-main-greedy.svg"), PAGES / "default.svg")
    for page in sorted(PAGES.glob("*.md")):
        folder = Layout(results).variant(page.stem)
        if Path(folder.config).exists():  # a study; a sweep's variants have one each
            fill(page, controlled(Path(folder.root)))
        elif Path(folder.report).exists():
            fill(page, compared(page.stem))
    watched = [Path(Layout(results).variant(name).root) for name in WATCHED]
    if Path(Layout(watched[0]).report).exists():
        judge_qualities(watched[0])
    if found := signal_page.folders(results, JUDGED):
        settings = signal_page.collect((name, load_study(folder)) for name, folder in found)
        picture = "![The gain of RL against the correlation before it](signal.svg)"
        parts = [signal_page.sentence(settings), picture, markdown(signal_page.table(settings))]
        fill(PAGES / "signal.md", "\n\n".join(parts) + "\n")
        write_text(PAGES / "signal.svg", figure_file(signal_page.figure(settings)) + "\n")
    if all(Path(Layout(folder).report).exists() for folder in watched):
        parts = [part for folder in watched for part in sorted(folder.iterdir()) if Path(Layout(part).config).exists()]
        fill(PAGES / "monitor.md", monitor_errors(parts))
