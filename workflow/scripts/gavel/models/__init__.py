"""Causal language models without training: loading and saving, prompts, sampling, next-token probabilities."""
