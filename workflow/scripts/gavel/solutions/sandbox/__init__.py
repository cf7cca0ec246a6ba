"""Runs programs that a model wrote. `pool.run_programs` is the only way in; nothing else may run model output."""
