"""The results of a study as pandas frames: `gavel.results.load("results")`; docs/results-api.md shows how."""

from gavel.frames.study import JudgeResults, StudyResults, load

__all__ = ["JudgeResults", "StudyResults", "load"]
