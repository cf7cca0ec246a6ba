"""Judge training: self-taught on unlabelled questions, or by RL on labelled pairs.

- `train`: train a judge: `METHODS`
- `verifier`: a single-token judge on responses known to be right or wrong
- `settings`: the settings of each way to train
- `judgments`: a judge's texts about pairs, as training data
- `unlabeled_pairs`: pairs whose better solution is known without a label
- `self_taught_settings`: how a self-taught judge's pairs and judgments are made
- `records`: row types
"""
