# Variants of one study: each is the whole study in a folder of its own; what equals another's is taken from there.
include: "rules/sweep.smk"
include: "rules/compare.smk"


for variant, settings in VARIANTS.items():
    prefix = f"{variant}_"

    module:
        name: variant
        snakefile:
            "Snakefile"
        config:
            settings

    use rule * from variant as prefix*


# Parts of all variants: `sft` stands for every variant's.
for part in ("data", "sft", "judge", "rl", "evaluate", "report"):

    rule:
        name:
            part
        input:
            [getattr(rules, f"{variant}_{part}").input for variant in VARIANTS],
        localrule: True


onstart:
    # Each variant brings one, of which Snakemake keeps the last: this one stands for all.
    record_owner(".")
    check_variants()


onerror:
    # A run that failed stops the report, but not a look at the others.
    from gavel.report import unfinished

    unfinished.tell(VARIANTS.values())
