"""Training: students, judges, and tiny models from scratch.

- `sft`: the SFT baseline
- `control_examples`: the examples of SFT controls
- `sft_trainer`: TRL's SFTTrainer on packed rows
- `base`: the baseline of a study without SFT
- `rl`: RL with the mixed reward
- `judge`: judge training
- `scratch`: tiny models from scratch
- `callback`: the callback that validates and saves, and a run's final outputs
- `monitor`: validation of a policy during training
- `state`: a run on disk: checkpoints, journals, best model
- `packing`: rows of completions without padding, which compute what they share once
- `log_probs`: log-probabilities without the logits of a whole batch
- `distributed`: training in several processes
- `batches`: split batches to fit memory
- `trl_config`: the configuration that TRL's trainers share
- `lora`: LoRA through peft
- `settings`: settings that several kinds of training share
- `records`: `run.json`
"""
