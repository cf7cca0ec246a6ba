"""RL with the mixed reward.

- `train`: `train` runs it
- `algorithms`: the table of algorithms: `ALGORITHMS`
- `rewards`: the mixed reward: `mix`
- `reward_parts`: what rewards are made of
- `reward_terms`: rewards of the user's own
- `group_filter`: replaces groups that carry no signal
- `grpo`: TRL's GRPOTrainer with packed groups
- `ppo`: PPO: a critic on the same rollout
- `grpo_config`: the settings as TRL's configuration
- `rollout`: the questions of each step, and their completions
- `rollout_recorder`: keeps the completions of every step
- `rollout_server`: how a job reaches vLLM for its rollouts
- `vllm_rollouts`: the engine that TRL starts for them, and how far it is from the trainer
- `validation_rules`: rules over validations: collapse, and no more progress
- `validation_actions`: what a run does then: `ACTIONS`
- `watchers`: judges that score the monitor's samples and never reward
- `settings`: the config's section `rl`
"""
