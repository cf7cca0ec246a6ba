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

elif config["sft"]:

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


if "base" in RUNS:

    # The student as it is: validated and evaluated, but neither trained nor copied. Without SFT it is the baseline.
    rule validate_base:
        input:
            model=CHECKPOINTS["base"].main,
            validation=rules.prepare_data.output.validation,
            prompts=SOLVING_PROMPT,
        output:
            monitor=LAYOUT.runs("base").monitor,
            run=LAYOUT.runs("base").run_json,
        log:
            LAYOUT.log(RULES["validate_base"]),
        benchmark:
            LAYOUT.benchmark(RULES["validate_base"])
        conda:
            "../../envs/gavel.yaml"
        threads: THREADS
        resources:
            **asks_for("validate_base"),
        params:
            code=code("validate_base.py"),
            student=STUDENT_TOKENS,
            solution=without(SOLUTION, "batch_seconds"),
        script:
            "../scripts/validate_base.py"
