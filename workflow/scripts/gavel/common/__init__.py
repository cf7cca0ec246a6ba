"""Basics that every package may use and that know nothing of language models.

The user-facing error (`errors.InputError`), crash-safe files (`files`), the step journal (`journal.Journal`), logging
for workflow scripts (`log`), redaction of secrets (`redaction`), digests of files and jobs (`digests`), versions and
hardware (`environment`), seeds (`seeding`), the project's folders (`paths`).
"""
