"""A study's results as pandas frames, which users get from `gavel.results`.

- `study`: `load`, and the frames
- `columns`: the frames' columns and their types
- `final`: each run's final accuracy and judge reward, for MLflow
- `files`: reading a results folder, for the report too
"""
