"""How good is the judge?

Verdicts on a policy's samples (`verdicts`), calibration (`calibration`), adversarial probes (`probes`), pairs of a
right and a wrong solution (`pairs`) and the benchmark on them (`benchmark`, `benchmark_figures`); the rows of all
these are in `records`.
"""
