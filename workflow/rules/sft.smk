if config["shared"]["sft"]:

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

else:

    rule train_sft:
        input:
            labeled=rules.prepare_data.output.labeled,
            validation=rules.prepare_data.output.validation,
            student=MODELS.get("student", []),
            prompts=SOLVING_PROMPT,
            launcher=LAUNCHER,
        output:
            best=directory(f"{RESULTS}/runs/sft/best"),
            final=directory(f"{RESULTS}/runs/sft/final"),
            monitor=f"{RESULTS}/runs/sft/monitor.csv",
            training=f"{RESULTS}/runs/sft/training.csv",
            run=f"{RESULTS}/runs/sft/run.json",
        log:
            f"{RESULTS}/logs/sft.log",
        benchmark:
            f"{RESULTS}/benchmarks/sft.tsv"
        conda:
            "../../envs/gavel.yaml"
        threads: THREADS
        resources:
            **asks_for("train_sft"),
        params:
            code=code("train_sft.py"),
            compute=COMPUTE,
            student=STUDENT,
            settings=config["sft"],
            # Excluded so that a stopped run can resume with a larger limit.
            solution=without("solution", "batch_seconds"),
        script:
            "../scripts/train_sft.py"
