"""MLflow as a mirror of a study's runs. It is never read back, and an edit here reruns nothing.

A job writes what MLflow should have of its run into a record on disk (`record`, `tracker`, `study`); whoever holds the
record sends what MLflow lacks of it (`exporter`, `store`).
"""
