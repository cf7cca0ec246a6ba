"""The typed config. `make docs` writes the JSON schema and the reference from it.

- `study`: the complete config: `Config`, `load`
- `base`: base classes and value types
- `data`: data and splits, and how the student answers
- `models`: student and judge
- `judge_kinds`: simulated judges and panels
- `judge_training`: self-taught and RL-trained judges
- `training`: SFT, the RL grid and its validation
- `renamed`: renamed keys: `RENAMED`
"""
