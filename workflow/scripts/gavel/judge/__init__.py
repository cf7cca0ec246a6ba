"""Asking a judge: `load.load(**settings)` returns a judge that scores or compares solutions (`verdict.Judge`).

Each kind of judge has a file (`single_token`, `pairwise`; the table is `kinds.KINDS`), and so has each back end
(`backends`). Prompts and label words are in `prompting`, rankings from comparisons in `ratings` and `tournaments`.
"""
