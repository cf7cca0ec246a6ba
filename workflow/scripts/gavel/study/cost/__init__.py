"""Estimates of what a study costs.

- `workload`: responses, examples and judging prompts of every rule, counted from the config
- `estimate`: tokens and hours from these counts
- `memory`: memory of each job, part by part
- `lengths`: how long a study's texts are
- `sizes`: how large its models are
"""
