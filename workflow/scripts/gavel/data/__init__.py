"""Question records, from source to split.

- `prepare`: write a study's data files: all of the following for one study
- `records`: the rows of the data files
- `fields`: the fields of a record, in their order on disk
- `sources`: load data sets from files or the hub
- `draw`: draw part of the questions by their ids
- `tables`: the rows of local files
- `readers`: one reader function per layout, published or your own: `READERS`
- `hub`: download models and data sets
- `lm_eval`: parse sample logs of lm-evaluation-harness
- `lm_eval_files`: write its tasks, results and sample logs
- `lm_eval_filter`: the verifier as one of its filters
- `splits`: split training problems by hashed ids
- `check_sizes`: check that splits are large enough for training and the judge benchmark
- `gold`: gold answers of all questions, withheld ones too
- `rollouts`: the completions of an RL run on disk
- `validation_samples`: what an RL run's policy wrote at its validations, for a few questions
- `normalise`: normalise questions for comparison
- `audit`: the contamination audit
- `pretrain_check`: check that a checkpoint was pretrained on the study's own split
- `generator`: the built-in word problems
"""
