"""What tests share beyond fixtures: small runs and studies, synthetic results, and stand-ins for what is elsewhere."""
