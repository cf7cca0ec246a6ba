"""Gavel: teach small language models to reason with rewards from a one-word LLM judge."""

__version__ = "0.1.0"
