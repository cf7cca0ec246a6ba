"""What the judge pays for although it is wrong: solutions by a policy's last step beside SFT's of the same problems."""

from pathlib import Path

from gavel.files import read_jsonl
from gavel.report.load import Results
from gavel.report.samples import short
from gavel.report.words import Cell, Table, points, text

EACH = 2  # pairs shown for each run


def pairs(results: Results) -> list[dict]:
    """For each RL run wrong solutions of the last step that the judge calls right, one a question, each beside the
    solution of SFT's for the same question that the judge likes best.

    Solutions that SFT gave too are left out. Those stand first of which SFT's counterpart was right, then those that
    the judge scores highest.

    Returns:
        `{"run", "question", "before", "after"}`, both `{"response", "judge", "correct"}`.
    """
    start = _by_question(results.root / "judge" / "calibration.jsonl")
    liked = {name: max(rows, key=lambda row: (row["probability"], row["response"])) for name, rows in start.items()}
    known = {(name, row["response"]) for name, rows in start.items() for row in rows}
    found = []
    for run in results.runs:
        rows = _rows(results.root / "judge" / "runs" / f"{run}.jsonl")
        fooled = [r for r in rows if _fooled(r) and r["id"] in liked and (r["id"], r["response"]) not in known]
        best: dict[str, dict] = {}
        for row in sorted(fooled, key=lambda r: (not liked[r["id"]]["correct"], -r["probability"], r["id"])):
            best.setdefault(row["id"], row)
        for name, row in list(best.items())[:EACH]:
            found.append(
                {"run": results.names[run], "question": short(row["question"])}
                | {"before": _side(liked[name]), "after": _side(row)}
            )
    return found


def wrongly_paid(results: Results) -> Table:
    """Of the solutions that the judge calls right, the share that is wrong: at the start, and at each run's end."""
    columns = [("policy", ""), ("called right", "by the judge, solutions"), ("wrong among them", "in %")]
    table = Table([*columns, ("against SFT", "in points")], [])
    start = None
    for run in results.runs:
        path = "calibration.jsonl" if run == "sft" else f"runs/{run}.jsonl"
        rows = [row for row in _rows(results.root / "judge" / path) if row["kind"] is None and row["says_right"]]
        if not rows:
            continue
        share = sum(not row["correct"] for row in rows) / len(rows)
        start = share if run == "sft" else start
        change = Cell("–") if start is None or run == "sft" else Cell(points(share - start), sort=share - start)
        table.rows.append(
            [text(results.names[run]), Cell(f"{len(rows):,}", sort=len(rows)), Cell(f"{100 * share:.1f}", sort=share)]
            + [change]
        )
    return table


def _rows(path: Path) -> list[dict]:
    """The judged solutions of a file; none where it is missing or was written without the judge's probability."""
    rows = read_jsonl(path) if path.exists() else ()
    return [row for row in rows if row.get("probability") is not None]


def _fooled(row: dict) -> bool:
    return row["kind"] is None and row["says_right"] and not row["correct"]


def _by_question(path: Path) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for row in _rows(path):
        if row["kind"] is None:
            found.setdefault(row["id"], []).append(row)
    return found


def _side(row: dict) -> dict:
    return {"response": short(row["response"]), "judge": row["probability"], "correct": row["correct"]}
