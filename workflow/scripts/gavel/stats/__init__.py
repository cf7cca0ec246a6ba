"""Pure functions of numbers.

- `intervals`: intervals and paired tests for accuracies
- `auc`: how well scores separate correct from incorrect solutions
- `advantages`: rewards minus their group's mean, and their correlation
- `voting`: majority vote, maj@k, pass@k
- `judged_voting`: best-of-k and votes by a judge's scores
"""
