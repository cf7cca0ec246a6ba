"""Gavel: train small language models with RL when labels are few; an LLM judge scores the rest in one token.

A package imports only from packages further down, as CONTRIBUTING.md shows.

- `cli`: the `gavel` command
- `publish`: a finished run as folders for the Hugging Face hub, with cards
- `report`: a study's page, and the page that compares several
- `replay`: other rewards for a finished study's completions
- `frames`: a study's results as pandas frames
- `results`: the same for users: `load`
- `trl`: judge and monitor for TRL scripts
- `study`: from YAML to a workflow
- `training`: SFT, RL, judge training and tiny models from scratch
- `judge_eval`: how good a judge is
- `evaluation`: the test sets: generate, score, metrics
- `judge`: judges: kinds, back ends, prompts and labels, rankings
- `jobs`: the setup around a job: locks, processes, servers
- `models`: loading, prompts, policies, sampling, next-token probabilities
- `data`: question records, from source to split
- `tracking`: MLflow
- `solutions`: the verifier; programs, and the sandbox that runs them
- `stats`: intervals, paired tests, AUC, votes
- `common`: errors, files, logs, digests, seeds, secrets: independent of language models
"""

__version__ = "0.1.0"
