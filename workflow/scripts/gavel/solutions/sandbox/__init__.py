"""Runs programs that a model wrote. `pool.run_programs` is the only entry point; nothing else may run model output.

- `pool`: the workers, and what the containment covers
- `worker`: the process that runs the programs
- `confinement`: what the kernel denies a worker
- `language`: which programs are accepted, and how they run
- `stand_ins`: what a program finds by its names
- `sympy_subset`: the part of SymPy that programs may use
"""
