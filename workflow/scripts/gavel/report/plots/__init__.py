"""Functions that draw data frames as SVG text. They read no file and compute no metric."""
