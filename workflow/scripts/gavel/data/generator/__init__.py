"""The built-in word problems.

- `templates`: sentence templates: three stocks without a common one
- `problems`: problems in GSM8K's format, sampled from the templates
- `perturbations`: perturbed test sets, as in GSM-Plus
"""
