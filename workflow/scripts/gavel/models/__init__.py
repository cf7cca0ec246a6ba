"""Causal language models without training.

- `loading`: load and save models and tokenizers
- `gguf`: check GGUF files and convert them
- `prompts`: load and fill in prompt files
- `chat`: chat templates
- `task`: the config's `solution`: prompt, format, length
- `policy`: a model that answers questions
- `sampling`: batched sampling
- `_branches`: decode several continuations of one prompt
- `vllm_generation`: sampling with vLLM
- `vllm_options`: options that its engine gets everywhere
- `prefixes`: next-token probabilities, with shared prefixes computed once
- `context`: check that questions fit the model's context
- `limits`: limits on a generation batch
- `records`: a prompt as a job writes it for the report
"""
