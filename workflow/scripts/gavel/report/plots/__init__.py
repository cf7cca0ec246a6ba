"""Figures: functions from data frames to an SVG text. They read no file and compute no metric."""
