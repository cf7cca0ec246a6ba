"""Asking a judge: `load.load(**settings)` gives an object that scores or compares solutions (`verdict.Judge`).

One file a kind (`single_token`, `pairwise`; the table is `kinds.KINDS`), one file a back end (`backends`), prompts and
labels in `prompting`, rankings from comparisons in `ratings` and `tournaments`.
"""
