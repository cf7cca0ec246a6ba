"""Evaluation on the test sets: `generate` samples, `score` verifies, `metrics` writes tables; `records` types rows."""
