"""SFT (`sft`), RL (`rl`), judge training (`judge`), tiny models from scratch (`scratch`), and what they share.

They share the callback that validates and saves checkpoints (`callback`), the run's state on disk (`state`), validation
(`monitor`), batches, TRL's configurations (`trl`), LoRA, and training in several processes (`distributed`).
"""
