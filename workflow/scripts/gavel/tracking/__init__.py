"""Mirror a study's runs to MLflow. Results never depend on MLflow, and an edit here reruns nothing.

A job writes its run's MLflow data into a record on disk. The process that holds the record's lock sends the parts that
MLflow lacks.

- `tracker`: a job's MLflow run
- `job_record`: the record on disk
- `study`: names, keys, tags and params of a study's jobs
- `exporter`: send what MLflow lacks
- `store`: an MLflow store
- `views`: the pages of MLflow's UI on which a study opens
"""
