"""Question records, from source to split.

`records` and `fields` define a record, `normalise` how questions are compared. `readers` parse published layouts,
`sources` and `hub` read files and the Hugging Face hub, `generator` makes word problems. `splits` makes disjoint
splits, `audit` checks for contamination, and `prepare` does all of this for one study.
"""
