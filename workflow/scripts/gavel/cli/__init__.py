"""The `gavel` command, one file per subcommand. No other package imports it."""
