"""The results of a study as pandas frames: `gavel.results.load("results")`; docs/results-api.md shows how.

- `study`: `load`, and the frames
- `final`: two numbers for each run, for MLflow
- `columns`: the frames' columns and their types
- `files`: reading a results folder, for the report too
"""

from gavel.results.study import JudgeResults, StudyResults, load

__all__ = ["JudgeResults", "StudyResults", "load"]
