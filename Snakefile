# `snakemake` looks for this file; the workflow is in workflow/Snakefile, where Snakemake's catalogue expects it.
include: "workflow/Snakefile"


# Snakemake does not inherit an included file's default target.
workflow.default_target = "all"
