"""SFT (`sft`), RL (`rl`), training a judge (`judge`), tiny models from scratch (`scratch`), and what they share.

Shared are the callback that validates and checkpoints (`callback`), the run's state on disk (`state`), validation
(`monitor`), batches, TRL's configurations (`trl`), LoRA and several processes (`distributed`).
"""
