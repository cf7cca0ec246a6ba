"""The sections of a study's page, one file each: tables, figures and sentences from a results folder."""
