rule tracking_store:
    output:
        touch(f"{RESULTS}/logs/tracking-store.done"),
    log:
        f"{RESULTS}/logs/tracking-store.log",
    conda:
        "../../envs/gavel.yaml"
    script:
        "../scripts/tracking_store.py"
