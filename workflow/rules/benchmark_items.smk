rule benchmark_items:
    input:
        problems=rules.prepare_data.output.validation,
        student=MODELS["student"],
        sft=rules.train_sft.output.best,
        prompts=SOLVING_PROMPT,
    output:
        pairs=LAYOUT.judge.benchmark.items,
    log:
        LAYOUT.log(RULES["benchmark_items"]),
    benchmark:
        LAYOUT.benchmark(RULES["benchmark_items"])
    conda:
        "../../envs/gavel.yaml"
    threads: THREADS
    resources:
        **asks_for("benchmark_items"),
    params:
        code=code("solution_pairs.py"),
        student=STUDENT_TOKENS,
        temperature=config["rl"]["temperature"],
        solution=config["solution"],
        drawn=job_params.judge_pairs(config)["benchmark"],
    script:
        "../scripts/solution_pairs.py"
