"""What the judge pays for although it is wrong: solutions by a policy's last step beside SFT's of the same problems."""

from pathlib import Path
from types import SimpleNamespace

from gavel.files import read_jsonl
from gavel.report import crowd
from gavel.report.load import Results
from gavel.report.samples import short
from gavel.report.words import Table, count, share_cell, text
from gavel.statistics import clustered_mean

EACH = 2  # pairs shown for each run


def pairs(results: Results) -> list[dict]:
    """For each RL run (of many seeds: of those that are drawn) wrong solutions of the last step that the judge calls
    right, one a question, each beside the solution of SFT's for the same question that the judge likes best.

    Solutions that SFT gave too are left out. Those stand first of which SFT's counterpart was right, then those that
    the judge scores highest.

    Returns:
        `{"run", "question", "before", "after"}`, both `{"response", "judge", "correct"}`.
    """
    start = _by_question(results.root / "judge" / "calibration.jsonl")
    liked = {name: max(rows, key=lambda row: (row["probability"], row["response"])) for name, rows in start.items()}
    known = {(name, row["response"]) for name, rows in start.items() for row in rows}
    found = []
    for run in crowd.shown(results):
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
    columns = [("policy", ""), ("called right", "solutions"), ("wrong among them, %", "95 % interval over questions")]
    table = Table(columns, [])
    for run in results.runs:
        path = "calibration.jsonl" if run == "sft" else f"runs/{run}.jsonl"
        rows = [row for row in _rows(results.root / "judge" / path) if row["kind"] is None and row["says_right"]]
        if rows:
            wrong = [float(not row["correct"]) for row in rows]
            low, high = clustered_mean([row["id"] for row in rows], wrong)
            share = SimpleNamespace(value=sum(wrong) / len(wrong), low=low, high=high)
            table.rows.append([text(results.names[run]), count(len(rows)), share_cell(share)])
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
