def judged(wildcards, value):
    """The value for controls whose examples the judge chooses; nothing for others, so that they do not depend on it."""
    return value if SFT_CONTROLS[wildcards.run]["control"] == "judge-accepted" else []


rule control_examples:
    input:
        labeled=rules.prepare_data.output.labeled,
        unlabeled=rules.prepare_data.output.unlabeled,
        withheld=lambda wildcards: (
            rules.prepare_data.output.withheld
            if SFT_CONTROLS[wildcards.run]["control"] == "all-answers"
            else []
        ),
        start=START,
        gate=lambda wildcards: judged(wildcards, GATE),
        judge=lambda wildcards: judged(wildcards, MODELS.get("judge", [])),
        answers=lambda wildcards: judged(wildcards, answers(*TRAINING_ANSWERS)),
        prompts=lambda wildcards: SOLVING_PROMPT + judged(wildcards, JUDGING_PROMPTS),
    output:
        examples=LAYOUT.runs("{run}").examples,
    log:
        LAYOUT.log(RULES["control_examples"]),
    benchmark:
        LAYOUT.benchmark(RULES["control_examples"])
    wildcard_constraints:
        run="|".join(SFT_CONTROLS),
    conda:
        "../../envs/gavel.yaml"
    threads: THREADS
    resources:
        **asks_for("control_examples"),
    params:
        code=code("control_examples.py"),
        control=lambda wildcards: SFT_CONTROLS[wildcards.run],
        student=STUDENT_TOKENS,
        judge=lambda wildcards: judged(wildcards, JUDGE) or None,
        solution=without(SOLUTION, "batch_seconds"),
        rollouts=job_params.rollouts(config),
    script:
        "../scripts/control_examples.py"


rule train_control:
    input:
        labeled=rules.control_examples.output.examples,
        validation=rules.prepare_data.output.validation,
        start=START,
        prompts=SOLVING_PROMPT,
        launcher=LAUNCHER,
    output:
        best=directory(LAYOUT.runs("{run}").best),
        final=directory(LAYOUT.runs("{run}").final),
        monitor=LAYOUT.runs("{run}").monitor,
        training=LAYOUT.runs("{run}").training,
        run=LAYOUT.runs("{run}").run_json,
    log:
        LAYOUT.log(RULES["train_control"]),
    benchmark:
        LAYOUT.benchmark(RULES["train_control"])
    wildcard_constraints:
        run="|".join(SFT_CONTROLS),
    conda:
        "../../envs/gavel.yaml"
    threads: THREADS
    resources:
        **asks_for("train_control"),
    params:
        code=code("train_control.py"),
        compute=COMPUTE,
        control=lambda wildcards: SFT_CONTROLS[wildcards.run],
        student=STUDENT_TOKENS,
        settings=job_params.control_training(config),
        solution=without(SOLUTION, "batch_seconds"),
    script:
        "../scripts/train_control.py"
