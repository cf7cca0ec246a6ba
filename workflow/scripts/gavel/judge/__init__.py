"""Asking a judge: `load.load(**settings)` returns a judge that scores or compares solutions.

From a judge's reply to the reward, for a pointwise judge: `prompting` fills in the prompt, and a back end answers it
(`backends.base.Backend.answers`). `backends.base.LabelProbabilities.probability` compares the two label words,
`single_token.SCORES` makes it the score of a `verdict.Verdict`, and `verdict.rewards` leaves out invalid scores.
`gavel.training.rl.rewards` mixes the result with the verifiable reward. A pairwise judge compares two solutions in both
orders (`pairwise.PairwiseJudge.compare`), and `tournaments.verdicts` turns comparisons into verdicts.

- `load`: make a judge from its settings: `MODULES`
- `kinds`: the table of kinds, for the config: `KINDS`
- `verdict`: the interface: `Judge`, `Verdict`, `rewards`
- `simulated`: a judge with set error rates
- `panel`: several judges as one: `COMBINE`
- `controls`: rewards that need no judge: `JUDGES`
- `single_token`: the pointwise judge
- `pairwise`: the pairwise judge
- `label_judge`: the base class of both: label words, back end, cache
- `prompting`: judging prompts and label words as a tokenizer sees them
- `backends`: where the model runs
- `ratings`: from comparisons to win rates and ratings
- `tournaments`: verdicts and best of n from comparisons
- `access`: how a study's jobs reach the judge
- `records`: row types
"""
