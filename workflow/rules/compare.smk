rule compare_variants:
    input:
        configs=[LAYOUT.variant(name).config for name in VARIANTS],
        reports=[LAYOUT.variant(name).report for name in VARIANTS],
    output:
        html=report(
            LAYOUT.report,
            caption="../report/study.rst",
            category="Comparison",
        ),
        figures=directory(LAYOUT.figures),
    log:
        LAYOUT.log(RULES["compare_variants"]),
    conda:
        "../../envs/gavel.yaml"
    params:
        code=code_digest(SCRIPTS / "compare_variants.py", LIBRARY),
        names=list(VARIANTS),
        title=SWEEP["study"],
        question=SWEEP["question"],
        axis=SWEEP["axis"],
    script:
        "../scripts/compare_variants.py"
