rule train_rl:
    input:
        verdicts=rules.judge_policy.output.verdicts,
        start=rules.train_sft.output.best,
        labeled=rules.prepare_data.output.labeled,
        unlabeled=rules.prepare_data.output.unlabeled,
        validation=rules.prepare_data.output.validation,
        judge=MODELS.get("judge", []),
        prompts=PROMPTS,
    output:
        best=directory(f"{RESULTS}/runs/{{run}}/best"),
        final=directory(f"{RESULTS}/runs/{{run}}/final"),
        monitor=f"{RESULTS}/runs/{{run}}/monitor.csv",
        training=f"{RESULTS}/runs/{{run}}/training.csv",
        run=f"{RESULTS}/runs/{{run}}/run.json",
    log:
        f"{RESULTS}/logs/rl/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/rl/{{run}}.tsv"
    wildcard_constraints:
        run="|".join(CELLS),
    priority: 5  # training is the long part, so evaluations wait for it
    conda:
        "../../envs/gavel.yaml"
    threads: THREADS
    resources:
        **RESOURCES,
    params:
        code=code("train_rl.py"),
        cell=lambda wildcards: CELLS[wildcards.run],
        student=STUDENT_TOKENS,
        judge=JUDGE,
        settings=without("rl", "algorithms", "lambda", "seeds"),
        solution=config["solution"],
    script:
        "../scripts/train_rl.py"
