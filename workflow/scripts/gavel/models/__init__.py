"""A causal language model at work: loading and saving, prompts, sampling, next-token probabilities. No training."""
