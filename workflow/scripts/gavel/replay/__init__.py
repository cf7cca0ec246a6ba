"""Replay of finished runs: other rewards for the same completions.

- `rewards`: the rewards of a run's rollouts under another judge, lambda or verifier
- `steps`: two rewards of the same rollout compared: agreement, AUC, correlation of advantages
- `truth`: the reward of every step of training against the truth
- `questions_by_step`: a few questions followed through training
- `monitor_rates`: how often the monitor is wrong about hacking
- `study`: replay the runs of a study
- `finished`: a finished study's rollouts
"""
