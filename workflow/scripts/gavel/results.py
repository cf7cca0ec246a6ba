"""The results of a study as pandas frames: `gavel.results.load("results")`; docs/reference/python.md shows how."""

from gavel.frames.study import JudgeResults, StudyResults, load

__all__ = ["JudgeResults", "StudyResults", "load"]
