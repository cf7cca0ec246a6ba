"""The page that compares several studies.

- `page`: the page: `render`, and what accuracy is plotted against: `AXES`
- `tables`: its tables
- `outcomes`: a study's accuracies, of several seeds their means
- `judge_cost`: the cost and the gain of each study's judge
"""
