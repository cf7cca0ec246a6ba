# Variants of one study: each is a complete study in its own folder; stages with identical settings are shared.
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


# Targets for all variants: `sft` builds every variant's SFT.
for part in ("data", "sft", "judge", "rl", "evaluate", "report"):

    rule:
        name:
            part
        input:
            [getattr(rules, f"{variant}_{part}").input for variant in VARIANTS],
        localrule: True


onstart:
    # Replaces the variants' own `onstart`: Snakemake keeps only the last one.
    record_owner(".")
    check_variants()
    show_progress({f"{name}_": settings for name, settings in VARIANTS.items()})


onsuccess:
    from gavel.report import console

    console.print_results(VARIANTS.values(), since=STARTED)


onerror:
    # A failed run prevents the report; print what the other runs achieved.
    from gavel.report import unfinished

    unfinished.write_reports(VARIANTS.values())
