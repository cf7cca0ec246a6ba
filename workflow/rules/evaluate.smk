FILES = f"{RESULTS}/evaluation/{{{{run}}}}/{{set}}"


rule generate:
    input:
        headline=lambda wildcards: f"{RESULTS}/runs/{wildcards.run}/{CHECKPOINTS[wildcards.run][0]}",
        alternate=lambda wildcards: f"{RESULTS}/runs/{wildcards.run}/{CHECKPOINTS[wildcards.run][1]}",
        tests=rules.prepare_data.output.tests,
        prompts=SOLVING_PROMPT,
    output:
        samples=expand(f"{FILES}/responses.jsonl", set=TESTS),
        alternate=expand(f"{FILES}/alternate-responses.jsonl", set=TESTS),
    log:
        f"{RESULTS}/logs/generate/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/generate/{{run}}.tsv"
    conda:
        "../../envs/gavel.yaml"
    threads: THREADS
    resources:
        **asks_for("generate"),
    params:
        code=code("generate.py"),
        student=STUDENT_TOKENS,
        solution=without("solution", "batch_seconds"),
        # How much is decoded at a time changes no sample.
        sampling=without(
            "evaluation", "ks", "judge", "best_of", "batch_size", "batch_tokens"
        ),
    script:
        "../scripts/generate.py"


rule score:
    input:
        samples=kept(rules.generate.output.samples),
        alternate=kept(rules.generate.output.alternate),
        tests=rules.prepare_data.output.tests,
        judge=MODELS.get("judge", []),
        prompts=JUDGING_PROMPTS if config["evaluation"]["judge"] else [],
    output:
        samples=expand(f"{FILES}/samples.jsonl", set=TESTS),
        alternate=expand(f"{FILES}/alternate.jsonl", set=TESTS),
        usage=f"{RESULTS}/evaluation/{{run}}/usage.json",
    log:
        f"{RESULTS}/logs/score/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/score/{{run}}.tsv"
    conda:
        "../../envs/gavel.yaml"
    threads: THREADS
    resources:
        **asks_for("score"),
    params:
        code=code("score.py"),
        solution_format=config["solution"]["format"],
        batch_seconds=config["solution"]["batch_seconds"],  # its job sets them
        judge=JUDGE if config["evaluation"]["judge"] else None,
        best_of=config["evaluation"]["best_of"],
    script:
        "../scripts/score.py"


rule compute_metrics:
    input:
        samples=kept(each_run(rules.score.output.samples)),
        alternate=kept(each_run(rules.score.output.alternate)),
    output:
        metrics=report(
            f"{RESULTS}/metrics.csv",
            caption="../report/tables.rst",
            category="Tables",
        ),
        comparisons=report(
            f"{RESULTS}/comparisons.csv",
            caption="../report/tables.rst",
            category="Tables",
        ),
        seeds=f"{RESULTS}/seeds.csv",
    log:
        f"{RESULTS}/logs/metrics.log",
    benchmark:
        f"{RESULTS}/benchmarks/metrics.tsv"
    conda:
        "../../envs/gavel.yaml"
    params:
        code=code("compute_metrics.py"),
        files=layout.scored_files(config),
        runs=layout.runs(config),
        ks=config["evaluation"]["ks"],
        primary=layout.primary(config),
    script:
        "../scripts/compute_metrics.py"
