"""How good a judge is.

- `verdicts`: a judge's verdicts on a policy's responses, with correctness by the verifier
- `calibration`: whether the judge is good enough to train on
- `signal`: whether RL under the judge has anything to learn
- `decision`: yes, no or unclear: `decide`
- `measured_judges`: what judges of several qualities did to a tiny student
- `probes`: adversarial probes: `PROBES`
- `pairs`: pairs of a correct and an incorrect solution
- `checked_responses`: single solutions, right or wrong
- `benchmark`: run a judge on such pairs
- `benchmark_metrics`: a judge's metrics on them
- `records`: row types
"""
