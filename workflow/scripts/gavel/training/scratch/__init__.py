"""Tiny students and judges trained from scratch, which replace checkpoints from the hub.

- `student`: the student
- `judge`: the judge
- `judge_tasks`: the judge's training examples, for each of its tasks
"""
