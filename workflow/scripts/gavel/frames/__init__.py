"""A study's results as pandas frames, which users get from `gavel.results`.

- `study`: `load`, and the frames
- `columns`: the frames' columns and their types
- `files`: reading a results folder, for the report too
"""
