"""What a solution answers and whether that is right.

`verifier.verify` is the only definition of *correct*. `programs` turns annotated solutions into programs, `mistakes`
makes wrong ones, `error_kinds` names what is wrong with one. `sandbox` runs programs that a model wrote.
"""
