if config["shared"]["benchmark"]:

    rule benchmark_items:
        input:
            pairs=Layout(config["shared"]["benchmark"]).judge.benchmark.items,
        output:
            pairs=LAYOUT.judge.benchmark.items,
        log:
            LAYOUT.log(RULES["benchmark_items"]),
        conda:
            "../../envs/gavel.yaml"
        script:
            "../scripts/share_stage.py"

else:

    rule benchmark_items:
        input:
            problems=rules.prepare_data.output.validation,
            student=MODELS["student"] if config["sft"] else [],
            policy=START,
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
            baseline=BASELINE,
            temperature=config["rl"]["temperature"],
            solution=SOLUTION,
            sampling=job_params.judge_pairs(config)["benchmark"],
        script:
            "../scripts/solution_pairs.py"


rule benchmark_judge:
    input:
        pairs=rules.benchmark_items.output.pairs,
        judge=lambda wildcards: (
            JUDGES[wildcards.judge]["model"]
            if layout.judge_is_local(config)
            else MODELS.get("judge", [])
        ),
        answers=answers(rules.prepare_data.output.validation),
        prompts=JUDGING_PROMPTS,
    output:
        answers=LAYOUT.judge.benchmark.answers("{judge}"),
        cost=LAYOUT.judge.benchmark.cost("{judge}"),
        written=LAYOUT.judge.benchmark.written("{judge}"),
    log:
        LAYOUT.log(RULES["benchmark_judge"]),
    benchmark:
        LAYOUT.benchmark(RULES["benchmark_judge"])
    wildcard_constraints:
        judge="|".join(JUDGES),
    conda:
        "../../envs/gavel.yaml"
    threads: THREADS
    resources:
        **asks_for("benchmark_judge"),
    params:
        code=code("benchmark_judge.py"),
        judge=lambda wildcards: JUDGES[wildcards.judge],
    script:
        "../scripts/benchmark_judge.py"


rule benchmark_table:
    input:
        pairs=rules.benchmark_items.output.pairs,
        answers=expand(rules.benchmark_judge.output.answers, judge=JUDGES),
        costs=expand(rules.benchmark_judge.output.cost, judge=JUDGES),
    output:
        table=report(
            BENCHMARK,
            caption="../report/tables.rst",
            category="Tables",
        ),
    log:
        LAYOUT.log(RULES["benchmark_table"]),
    conda:
        "../../envs/gavel.yaml"
    params:
        code=code("benchmark_table.py"),
        judges=list(JUDGES),
    script:
        "../scripts/benchmark_table.py"
