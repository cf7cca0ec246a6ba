"""What a solution answers, and whether the answer is correct.

- `verifier`: `verify`: the only definition of *correct*
- `other_verifiers`: lm-evaluation-harness's filters and math-verify, to compare it with
- `answer_types`: the table of what answers can be
- `number_answers`: a row of it: numbers
- `choice_answers`: another: the letters of multiple choice
- `_response`: what a response contains beside its solution
- `_statements`: the answer that a piece of text states
- `_latex`: the value of a formula
- `numbers`: numbers in canonical form
- `programs`: convert annotated solutions to programs
- `_reasoning`: a program's comments and names, from the solution's text
- `sandbox`: run programs that a model wrote
- `answers`: the time limit of a batch of programs, and the answer of one that did not run
- `mistakes`: corrupted solutions
- `error_kinds`: the kind of error in an incorrect solution
"""
