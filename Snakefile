from snakemake.utils import min_version

min_version("9.27")


# Refuses files that say something else than they seem to, or that name no study.
include: "workflow/rules/config.smk"


# A study's file names `study`; `--config` alone changes single keys of the default study.
if "study" not in config:

    configfile: "config/config.yaml"


# A study, or with `sweep` that study once for each variant and then their comparison.
if config.get("sweep"):

    include: "workflow/sweep.smk"

else:

    include: "workflow/study.smk"


rule all:
    default_target: True
    input:
        LAYOUT.report,
    localrule: True
