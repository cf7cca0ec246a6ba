"""The columns of the frames: name -> pandas dtype, in order. The properties of `StudyResults` say what they mean.

`Int64` and `boolean` are pandas' types that may have missing values. An empty column of text is text, too.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

Columns = Mapping[str, str]

INTERVAL = {"value": "float64", "low": "float64", "high": "float64"}

RUNS: Columns = {
    "run": "str",
    "kind": "str",
    "algorithm": "str",
    "lambda": "float64",
    "seed": "Int64",
    "control": "str",
    "status": "str",
    "reason": "str",
    "steps": "Int64",
    "best_step": "Int64",
    "ended_step": "Int64",
    "ended_by": "str",
    "collapsed_step": "Int64",
    "labels": "Int64",
    "unlabeled": "Int64",
    "completions": "Int64",
    "seconds": "float64",
    "checkpoint": "str",
    "accuracy": "float64",
    "accuracy_low": "float64",
    "accuracy_high": "float64",
    "questions": "Int64",
}
METRICS: Columns = {
    "run": "str",
    "checkpoint": "str",
    "algorithm": "str",
    "lambda": "float64",
    "seed": "Int64",
    "control": "str",
    "set": "str",
    "metric": "str",
    "k": "int64",
    **INTERVAL,
    "n": "int64",
}
COMPARISONS: Columns = {
    "run": "str",
    "checkpoint": "str",
    "baseline": "str",
    "set": "str",
    "metric": "str",
    "k": "int64",
    "difference": "float64",
    "low": "float64",
    "high": "float64",
    "p": "float64",
    "n": "int64",
    "p_adjusted": "float64",
    "primary": "bool",
    "gained": "Int64",
    "lost": "Int64",
    "mcnemar_p": "float64",
}
SEEDS: Columns = {
    "algorithm": "str",
    "lambda": "float64",
    "control": "str",
    "set": "str",
    "metric": "str",
    "k": "int64",
    "seeds": "int64",
    "n": "int64",
    **INTERVAL,
    "lowest": "float64",
    "highest": "float64",
    "difference": "float64",
    "difference_low": "float64",
    "difference_high": "float64",
    "p": "float64",
    "p_adjusted": "float64",
}
SAMPLES: Columns = {
    "run": "str",
    "set": "str",
    "id": "str",
    "sample": "int64",
    "temperature": "float64",
    "response": "str",
    "answer": "str",
    "correct": "boolean",
    "judge": "float64",
    "elo": "float64",
    "knockout": "boolean",
    "tokens": "int64",
    "finished": "bool",
    "question": "str",
    "gold": "str",
    "kind": "str",
    "seed_id": "str",
}
ROLLOUTS: Columns = {
    "step": "int32",
    "group": "int32",
    "id": "str",
    "labeled": "bool",
    "response": "str",
    "tokens": "int32",
    "finished": "bool",
    "lambda": "float64",
    "verifiable": "float64",
    "judge": "float64",
    "reward": "float64",
    "terms": "object",
    "advantage": "float32",
    "logp": "float32",
    "skipped": "bool",
}
CALIBRATION: Columns = {"metric": "str", **INTERVAL}
RELIABILITY: Columns = {
    "low": "float64",
    "high": "float64",
    "n": "int64",
    "judge": "float64",
    "correct": "float64",
    "correct_low": "float64",
    "correct_high": "float64",
}
VERDICTS: Columns = {
    "id": "str",
    "kind": "str",
    "question": "str",
    "response": "str",
    "tokens": "int64",
    "finished": "bool",
    "steps": "int64",
    "correct": "bool",
    "judge": "float64",
    "probability": "float64",
    "says_right": "boolean",
    "phrasings": "object",
    "off_label_mass": "float64",
    "truncated": "bool",
    "opponents": "Int64",
    "first": "float64",
    "flipped": "float64",
    "reference": "float64",
}


def typed(rows: Any, columns: Columns) -> pd.DataFrame:
    """A frame with exactly these columns; values that the rows lack are missing.

    Args:
        rows: a frame, or dicts.
    """
    frame = pd.DataFrame(rows).reindex(columns=list(columns))
    return frame.astype(dict(columns)).reset_index(drop=True)
