"""The subcommands of `gavel`, one a file."""
