"""Runs programs that a model wrote. `pool.run_programs` is the only entry point; nothing else may run model output."""
