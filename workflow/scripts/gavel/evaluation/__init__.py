"""The test sets: `generate` samples, `score` verifies them, `metrics` writes the tables; `records` has their rows."""
