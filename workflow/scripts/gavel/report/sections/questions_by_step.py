"""The rollout browser: questions followed through training, with the runs side by side."""

from collections.abc import Iterator, Sequence
from itertools import chain, groupby, zip_longest
from pathlib import Path
from typing import Any, NamedTuple, cast

import pyarrow as pa
import pyarrow.parquet as pq
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from gavel.common.errors import InputError, first_line
from gavel.frames.files import RERUN
from gavel.replay.questions_by_step import POOLS, SCHEMA, FollowedResponse
from gavel.report.results import Results
from gavel.report.run_selection import selected_runs
from gavel.report.sections.samples import short

# For any size of the grid: bytes of all questions and of a question's responses, steps of a run, characters of a text.
# A run's longest texts fit `SHARE` even if every character has to be escaped.
BUDGET, SHARE, STEPS, LONGEST = 600_000, 60_000, 8, 1000


class Browser(NamedTuple):
    """What the page's browser shows.

    Attributes:
        data: JSON that is safe inside a script element: `runs`, and `questions` as `_card` makes them.
        questions, responses: numbers in `data`.
        all_questions, all_responses: numbers in the study's file.
        limit: characters of a response.
    """

    data: Markup
    questions: int
    responses: int
    all_questions: int
    all_responses: int
    limit: int = LONGEST


def browser(results: Results) -> Browser | None:
    """The questions that fit `BUDGET`, taken from each pool in turn; None if the study has followed none.

    Raises:
        InputError: the file cannot be read.
    """
    rows = _read(Path(results.files.questions))
    if not rows:
        return None
    questions = [list(group) for _, group in groupby(rows, lambda row: (row["pool"], row["id"]))]
    priority = {run: place for place, run in enumerate(dict.fromkeys([*selected_runs(results), *results.names]))}
    runs = list(dict.fromkeys(row["run"] for row in rows))
    cards, used = [], 0
    for question in _in_turn(questions):
        card = _card(_within_share(question, priority), runs, set(results.controls.runs))
        used += _size(card)
        if used > BUDGET:
            break
        cards.append(card)
    cards.sort(key=lambda card: POOLS.index(card["pool"]))
    return Browser(
        _json({"runs": [results.names.get(run, run) for run in runs], "questions": cards}),
        questions=len(cards),
        responses=sum(len(card["responses"]) for card in cards),
        all_questions=len(questions),
        all_responses=len(rows),
    )


def _read(path: Path) -> list[FollowedResponse]:
    if not path.exists():
        return []
    try:
        with path.open("rb") as file:  # pyarrow opens no path that is not UTF-8
            return cast(list[FollowedResponse], pq.read_table(file, schema=SCHEMA).to_pylist())
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{path}: not a Parquet table of followed questions ({first_line(error)}); {RERUN}") from None


def _in_turn(questions: Sequence[list[FollowedResponse]]) -> Iterator[list[FollowedResponse]]:
    pools = [[question for question in questions if question[0]["pool"] == pool] for pool in POOLS]
    return (question for question in chain.from_iterable(zip_longest(*pools)) if question)


def _within_share(question: Sequence[FollowedResponse], priority: dict[str, int]) -> list[FollowedResponse]:
    """A question's responses, at `STEPS` steps of each run, of as many runs as fit `SHARE`; in the question's order."""
    runs = {run: _evenly(list(group)) for run, group in groupby(question, lambda row: row["run"])}
    texts: set[str] = set()
    chosen: set[str] = set()
    used = 0
    for run in sorted(runs, key=lambda run: priority.get(run, len(priority))):
        new = {short(row["response"], LONGEST) for row in runs[run]} - texts
        used += sum(map(_size, new)) + sum(_size(_response(row, 0, 0, False)) for row in runs[run])
        if used > SHARE:
            break
        texts |= new
        chosen.add(run)
    return [row for run in runs if run in chosen for row in runs[run]]


def _evenly(rows: list[FollowedResponse]) -> list[FollowedResponse]:
    """At most `STEPS` rows, evenly spaced, with the first and the last."""
    if len(rows) <= STEPS:
        return rows
    return [rows[round(place * (len(rows) - 1) / (STEPS - 1))] for place in range(STEPS)]


def _card(question: Sequence[FollowedResponse], runs: Sequence[str], controls: set[str]) -> dict[str, Any]:
    """A question with its distinct texts and its responses."""
    first = question[0]
    texts = list(dict.fromkeys(short(row["response"], LONGEST) for row in question))
    places = {text: place for place, text in enumerate(texts)}
    return {
        "pool": first["pool"],
        "id": first["id"],
        "kind": first["kind"],
        "question": short(first["question"], LONGEST),
        "gold": first["gold"] and short(first["gold"], LONGEST),
        "texts": texts,
        "responses": [
            _response(
                row,
                runs.index(row["run"]),
                places[short(row["response"], LONGEST)],
                row["pool"] != "validation" and row["run"] in controls,
            )
            for row in question
        ],
    }


def _response(row: FollowedResponse, run: int, text: int, control: bool) -> list[Any]:
    """Places of its run and text, step, whether it is correct, the judge's score, whether the judge was right, whether
    the verifier rewarded it in full, whether it is finished, and whether the score is a control's reward."""
    score, verifiable = row["judge"], row["verifiable"]
    rewarded = None if verifiable is None else verifiable >= 1
    said = [row["truth"], None if score is None else round(score, 3), row["judge_right"], rewarded]
    return [run, text, row["step"], *(int(one) if isinstance(one, bool) else one for one in said)] + [
        int(row["finished"]),
        int(control),
    ]


def _json(value: object) -> Markup:
    return htmlsafe_json_dumps(value, ensure_ascii=False, separators=(",", ":"))


def _size(value: object) -> int:
    return len(_json(value).encode())
