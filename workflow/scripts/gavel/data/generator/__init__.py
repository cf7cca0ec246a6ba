"""The embedded word problems: templates, problems sampled from them, perturbed test sets."""
