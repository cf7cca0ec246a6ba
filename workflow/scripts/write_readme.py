"""Write README.md's result table and picture from a finished default study, so that no number in it is typed."""

import csv
import shutil
from pathlib import Path

from gavel.files import write_text

ROOT = Path(__file__).parents[2]
BEGIN, END = "<!-- result: begin -->\n", "<!-- result: end -->\n"


def table(path: Path) -> list[dict]:
    with open(path, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def result(results: Path) -> str:
    """The headline checkpoints' greedy accuracy on every test set, and the difference from SFT on the first one."""
    greedy = [row for row in table(results / "metrics.csv") if row["metric"] == "greedy"]
    headline = [row for row in greedy if row["checkpoint"] == ("best" if row["run"] == "sft" else "last")]
    runs, sets = (list(dict.fromkeys(row[key] for row in headline)) for key in ("run", "set"))
    values = {(row["run"], row["set"]): row for row in headline}
    compared = {
        (row["run"], row["set"]): row
        for row in table(results / "comparisons.csv")
        if (row["checkpoint"], row["baseline"], row["metric"]) == ("last", "sft", "greedy")
    }
    sizes = {name: int(float(values[runs[0], name]["n"])) for name in sets}
    head = ["run", *(f"`{name}` ({sizes[name]})" for name in sets), f"`{sets[0]}`: difference from SFT [95 %]"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for run in runs:
        cells = [f"{float(values[run, name]['value']):.1%}" for name in sets]
        row = compared.get((run, sets[0]))
        mark = " (primary)" if row and row["primary"].lower() == "true" else ""
        gain = f"{points(row['difference'])} [{points(row['low'])}, {points(row['high'])}]{mark}" if row else ""
        lines.append("| " + " | ".join([f"`{run}`", *cells, gain]) + " |")
    return "\n".join(lines) + "\n"


def points(share: str) -> str:
    return f"{100 * float(share):+.1f}"


if __name__ == "__main__":
    results, readme = ROOT / "results", ROOT / "README.md"
    head, rest = readme.read_text(encoding="utf-8").split(BEGIN)
    write_text(readme, head + BEGIN + "\n" + result(results) + "\n" + END + rest.split(END)[1])
    (ROOT / "docs").mkdir(exist_ok=True)
    shutil.copy(results / "figures" / "accuracy-against-lambda-main-greedy.svg", ROOT / "docs" / "accuracy.svg")
