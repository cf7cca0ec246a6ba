"""The config, typed: one file a section. `make docs` writes the JSON schema and the reference from it."""
