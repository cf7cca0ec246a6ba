"""How good is the judge?

Verdicts on a policy's responses (`verdicts`), calibration (`calibration`), adversarial probes (`probes`), pairs of a
correct and an incorrect solution (`pairs`), and the judge benchmark on them (`benchmark`, `benchmark_figures`). Row
types are in `records`.
"""
