"""Estimates of what a study costs on GPUs.

- `workload`: responses, examples and judging prompts of every rule, counted from the config
- `estimate`: tokens, memory and hours from these counts
"""
