"""Where a judge's model runs (in this process or behind a server), reasoning before the label, and the cache."""
