rule benchmark_items:
    input:
        pairs=Layout(config["shared"]["benchmark"]).judge.benchmark.items,
    output:
        pairs=LAYOUT.judge.benchmark.items,
    log:
        LAYOUT.log(RULES["benchmark_items"]),
    conda:
        "../../envs/gavel.yaml"
    script:
        "../scripts/share_stage.py"
