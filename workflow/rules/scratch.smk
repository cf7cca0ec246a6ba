rule scratch_student:
    input:
        pretrain=rules.prepare_data.output.pretrain,
        prompts=prompt_files("solve", "judge"),
    output:
        model=directory(LAYOUT.model("student")),
    log:
        LAYOUT.log(RULES["scratch_student"]),
    benchmark:
        LAYOUT.benchmark(RULES["scratch_student"])
    priority: 20  # everything waits for it
    conda:
        "../../envs/gavel.yaml"
    threads: RULES["scratch_student"].threads  # no more than --cores
    resources:
        **RESOURCES,
    params:
        code=code("scratch_student.py"),
        recipe=config["student"]["scratch"],
    script:
        "../scripts/scratch_student.py"


rule scratch_judge:
    input:
        pretrain=rules.prepare_data.output.pretrain,
        student=MODELS.get("student", []),
        prompts=prompt_files("solve", *job_params.scratch_prompts(config)),
    output:
        model=directory(LAYOUT.model("judge")),
    log:
        LAYOUT.log(RULES["scratch_judge"]),
    benchmark:
        LAYOUT.benchmark(RULES["scratch_judge"])
    priority: 20  # the longest chain of a study may begin with it
    conda:
        "../../envs/gavel.yaml"
    threads: THREADS  # SFT and other judges' jobs run beside it; alone it is faster with --set-threads
    resources:
        **RESOURCES,
    params:
        code=code("scratch_judge.py"),
        recipe=config["judge"]["scratch"],
        student=None if "student" in MODELS else STUDENT["model"],
        labels=JUDGE["labels"],
    script:
        "../scripts/scratch_judge.py"
