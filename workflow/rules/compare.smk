rule compare_variants:
    input:
        configs=expand(f"{RESULTS}/{{variant}}/config.yaml", variant=VARIANTS),
        reports=expand(f"{RESULTS}/{{variant}}/report.html", variant=VARIANTS),
    output:
        html=report(
            f"{RESULTS}/report.html",
            caption="../report/study.rst",
            category="Comparison",
        ),
        figures=directory(f"{RESULTS}/figures"),
    log:
        f"{RESULTS}/logs/comparison.log",
    conda:
        "../../envs/gavel.yaml"
    params:
        code=code_digest(SCRIPTS / "compare_variants.py", SCRIPTS / "gavel"),
        names=list(VARIANTS),
        title=SWEEP["study"],
        question=SWEEP["question"],
        axis=SWEEP["axis"],
    script:
        "../scripts/compare_variants.py"
