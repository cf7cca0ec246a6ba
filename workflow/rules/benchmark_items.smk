rule benchmark_items:
    input:
        problems=rules.prepare_data.output.validation,
        student=MODELS["student"],
        sft=rules.train_sft.output.best,
        prompts=SOLVING_PROMPT,
    output:
        pairs=f"{RESULTS}/judge/benchmark/items.jsonl",
    log:
        f"{RESULTS}/logs/judge-benchmark/items.log",
    benchmark:
        f"{RESULTS}/benchmarks/benchmark_items.tsv"
    conda:
        "../../envs/gavel.yaml"
    threads: THREADS
    resources:
        **asks_for("solution_pairs"),
    params:
        code=code("solution_pairs.py"),
        student=STUDENT_TOKENS,
        temperature=config["rl"]["temperature"],
        solution=config["solution"],
        drawn=job_params.judge_pairs(config)["benchmark"],
    script:
        "../scripts/solution_pairs.py"
