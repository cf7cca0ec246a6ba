"""Mirror a study's runs to MLflow. Results never depend on MLflow, and an edit here reruns nothing.

A job writes its run's MLflow data into a record on disk (`record`, `tracker`, `study`). The process that holds the
record's lock sends the parts that MLflow lacks (`exporter`, `store`).
"""
