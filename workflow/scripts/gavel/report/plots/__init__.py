"""Functions that draw data frames as SVG text. They read no file and compute no metric.

- `style`: colours, sizes, and the conversion to SVG
- `results`: test results
- `training`: training curves and diagnostics
- `replay`: other rewards for the same completions
- `judges`: calibration, accuracy, cost and training of judges
"""
