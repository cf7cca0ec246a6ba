"""RL with the mixed reward: `train.train` runs it, `rewards` mixes the reward, `algorithms` lists the algorithms."""
