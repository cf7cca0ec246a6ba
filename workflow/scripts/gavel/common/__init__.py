"""What everything stands on and what knows nothing of language models.

The one user-facing error (`errors.InputError`), crash-safe files (`files`), the step journal (`journal.Journal`),
logging of workflow scripts (`log`), hidden secrets (`redaction`), digests of files and jobs (`digests`), versions and
hardware (`environment`), seeds (`seeding`), the project's folders (`paths`).
"""
