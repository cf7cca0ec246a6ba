rule scratch_student:
    input:
        pretrain=rules.prepare_data.output.pretrain,
        prompts=prompt_files("solve", "judge"),
    output:
        model=directory(f"{RESULTS}/models/student"),
    log:
        f"{RESULTS}/logs/scratch-student.log",
    benchmark:
        f"{RESULTS}/benchmarks/scratch-student.tsv"
    priority: 20  # everything waits for it
    conda:
        "../../envs/gavel.yaml"
    threads: 4  # no more than --cores
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
        model=directory(f"{RESULTS}/models/judge"),
    log:
        f"{RESULTS}/logs/scratch-judge.log",
    benchmark:
        f"{RESULTS}/benchmarks/scratch-judge.tsv"
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
