if config["shared"]["sft"]:

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

else:

    rule train_sft:
        input:
            labeled=rules.prepare_data.output.labeled,
            validation=rules.prepare_data.output.validation,
            student=MODELS.get("student", []),
            prompts=SOLVING_PROMPT,
            launcher=LAUNCHER,
        output:
            best=directory(LAYOUT.runs("sft").best),
            final=directory(LAYOUT.runs("sft").final),
            monitor=LAYOUT.runs("sft").monitor,
            training=LAYOUT.runs("sft").training,
            run=LAYOUT.runs("sft").run_json,
        log:
            LAYOUT.log(RULES["train_sft"]),
        benchmark:
            LAYOUT.benchmark(RULES["train_sft"])
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
            solution=without(SOLUTION, "batch_seconds"),
        script:
            "../scripts/train_sft.py"
