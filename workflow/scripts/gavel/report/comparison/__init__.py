"""The page that compares several studies.

- `page`: the page: `render`, and what accuracy is plotted against: `AXES`
- `tables`: its tables
- `judge_cost`: the cost and the gain of each study's judge
"""
