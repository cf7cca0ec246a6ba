"""A stand-in for `vllm serve` as TRL starts it: it notes its command and what it sees, and answers health checks."""

__version__ = "0.30.0"
