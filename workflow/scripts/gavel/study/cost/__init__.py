"""Estimates of what a study costs: tokens, memory, hours."""
