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
    priority: 20  # all other rules wait for it
    conda:
        "../../envs/gavel.yaml"
    threads: RULES["scratch_student"].threads  # Snakemake limits it to --cores
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
    priority: 20  # it may be the first of a study's longest chain of jobs
    conda:
        "../../envs/gavel.yaml"
    threads: THREADS  # SFT and other judges' jobs run at the same time; if not, --set-threads makes it faster
    resources:
        **RESOURCES,
    params:
        code=code("scratch_judge.py"),
        recipe=config["judge"]["scratch"],
        student=None if "student" in MODELS else STUDENT["model"],
        labels=JUDGE["labels"],
    script:
        "../scripts/scratch_judge.py"
