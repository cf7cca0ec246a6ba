"""MLflow as a mirror of a study's runs. It is never read back, and an edit here reruns nothing."""
