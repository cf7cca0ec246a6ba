"""What a solution answers, and whether the answer is correct.

`verifier.verify` is the only definition of *correct*. `programs` converts annotated solutions to programs, `mistakes`
makes corrupted solutions, `error_kinds` classifies the error of an incorrect one. `sandbox` runs programs that a model
wrote.
"""
