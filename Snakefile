# `snakemake` finds this file by itself; the workflow is in workflow/Snakefile, where Snakemake's catalogue expects it.
include: "workflow/Snakefile"


# An included file's default target is not taken over.
workflow.default_target = "all"
