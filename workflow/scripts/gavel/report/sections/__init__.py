"""The sections of a study's page, one file each: they make tables, figures and sentences from a results folder."""
