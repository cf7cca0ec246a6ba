rule benchmark_items:
    input:
        pairs=f"{config['shared']['benchmark']}/judge/benchmark/items.jsonl",
    output:
        pairs=f"{RESULTS}/judge/benchmark/items.jsonl",
    log:
        f"{RESULTS}/logs/judge-benchmark/items.log",
    conda:
        "../../envs/gavel.yaml"
    script:
        "../scripts/share_stage.py"
