"""The typed config, one file per topic. `make docs` writes the JSON schema and the reference from it."""
