"""Basics that every package may use and that know nothing of language models.

- `errors`: `InputError`, the exception for bad user input
- `files`: read and write small files, never partly written
- `journal`: a run's metrics as JSON Lines
- `log`: `script_log` and `info`: a job's log and its console lines
- `redaction`: passwords and keys, refused or redacted
- `digests`: digests of files, folders and jobs
- `environment`: versions, hardware and the git commit
- `seeding`: seeds that belong to an item
- `own_functions`: functions of the user's own
- `paths`: the project's folders
- `nested`: nested settings under dotted names
- `dataclass_config`: sections of the config as dataclasses
- `requirements`: packages that only some config keys need
"""
