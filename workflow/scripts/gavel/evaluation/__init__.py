"""Evaluation on the test sets.

- `generate`: generate responses
- `score`: score them with the verifier and, for the report, the judge
- `best_of`: choose the best of n samples with a pairwise judge
- `question_values`: each metric's value per question
- `metrics`: write metrics.csv, comparisons.csv and seeds.csv
- `records`: row types
"""
