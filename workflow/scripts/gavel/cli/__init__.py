"""The `gavel` command, one file a subcommand. Nothing imports it."""
