SFT = f"{config['shared']['sft']}/runs/sft"


rule train_sft:
    input:
        best=f"{SFT}/best",
        final=f"{SFT}/final",
        monitor=f"{SFT}/monitor.csv",
        training=f"{SFT}/training.csv",
        run=f"{SFT}/run.json",
    output:
        best=directory(f"{RESULTS}/runs/sft/best"),
        final=directory(f"{RESULTS}/runs/sft/final"),
        monitor=f"{RESULTS}/runs/sft/monitor.csv",
        training=f"{RESULTS}/runs/sft/training.csv",
        run=f"{RESULTS}/runs/sft/run.json",
    log:
        f"{RESULTS}/logs/sft.log",
    conda:
        "../../envs/gavel.yaml"
    script:
        "../scripts/share_stage.py"
