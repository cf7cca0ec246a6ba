SFT = Layout(config["shared"]["sft"]).runs("sft")


rule train_sft:
    input:
        best=SFT.best,
        final=SFT.final,
        monitor=SFT.monitor,
        training=SFT.training,
        run=SFT.run_json,
    output:
        best=directory(LAYOUT.runs("sft").best),
        final=directory(LAYOUT.runs("sft").final),
        monitor=LAYOUT.runs("sft").monitor,
        training=LAYOUT.runs("sft").training,
        run=LAYOUT.runs("sft").run_json,
    log:
        LAYOUT.log(RULES["train_sft"]),
    conda:
        "../../envs/gavel.yaml"
    script:
        "../scripts/share_stage.py"
