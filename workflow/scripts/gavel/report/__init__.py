"""The report. It computes no metric.

- `page`: a study's page: `render`
- `results`: read a results folder
- `baseline`: what the pages call the baseline: SFT, or the base model
- `sections`: the page's sections
- `plots`: draw figures as SVG
- `figure`: figures of a page and their captions
- `cells`: numbers as text, and tables
- `run_selection`: studies with several seeds: what is drawn or reported once for each kind of run
- `glossary`: the terms that a page explains
- `provenance`: versions, hardware, commit and digests
- `comparison`: the page that compares several studies
- `console`: a finished study's results on the console
- `unfinished`: the page of a study that failed
- `live`: the page of a study that is still running
"""
