"""The embedded word problems: templates, problems drawn from them, perturbed test sets."""
