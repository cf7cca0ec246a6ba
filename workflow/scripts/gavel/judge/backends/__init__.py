"""Where a judge's model runs: in this process, behind a server; with reasoning before the label, with a cache."""
