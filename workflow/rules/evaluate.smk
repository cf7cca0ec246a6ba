EVALUATIONS = [LAYOUT.evaluation("{run}", name) for name in TESTS]


rule generate:
    input:
        main=lambda wildcards: CHECKPOINTS[wildcards.run].main,
        alternate=lambda wildcards: CHECKPOINTS[wildcards.run].other or [],
        tests=rules.prepare_data.output.tests,
        prompts=SOLVING_PROMPT,
    output:
        samples=[files.responses for files in EVALUATIONS],
        alternate=[files.alternate_responses for files in EVALUATIONS],
        prompt=LAYOUT.prompt("{run}"),
    log:
        LAYOUT.log(RULES["generate"]),
    benchmark:
        LAYOUT.benchmark(RULES["generate"])
    conda:
        "../../envs/gavel.yaml"
    threads: THREADS
    resources:
        **asks_for("generate"),
    params:
        code=code("generate.py"),
        student=STUDENT_TOKENS,
        solution=without(SOLUTION, "batch_seconds"),
        tests=TESTS,
        # Batch limits are excluded because they do not change samples.
        sampling=without(
            config["evaluation"],
            "ks",
            "judge",
            "best_of",
            "batch_size",
            "batch_tokens",
        ),
    script:
        "../scripts/generate.py"


if config["shared"]["responses"]:

    HOME = Layout(config["shared"]["responses"])
    SHARED = [
        (HOME.evaluation(BASELINE, name), LAYOUT.evaluation(BASELINE, name))
        for name in TESTS
    ]

    rule share_responses:
        input:
            samples=[theirs.responses for theirs, _ in SHARED],
            alternate=[theirs.alternate_responses for theirs, _ in SHARED],
            prompt=HOME.prompt(BASELINE),
        output:
            samples=[own.responses for _, own in SHARED],
            alternate=[own.alternate_responses for _, own in SHARED],
            prompt=LAYOUT.prompt(BASELINE),
        log:
            LAYOUT.log(RULES["share_responses"]),
        conda:
            "../../envs/gavel.yaml"
        script:
            "../scripts/share_stage.py"

    ruleorder: share_responses > generate


rule score:
    input:
        samples=kept(rules.generate.output.samples),
        alternate=kept(rules.generate.output.alternate),
        tests=rules.prepare_data.output.tests,
        judge=MODELS.get("judge", []),
        answers=answers(*rules.prepare_data.output.tests),
        prompts=JUDGING_PROMPTS if config["evaluation"]["judge"] else [],
    output:
        samples=[files.samples for files in EVALUATIONS],
        alternate=[files.alternate for files in EVALUATIONS],
        usage=LAYOUT.usage("{run}"),
    log:
        LAYOUT.log(RULES["score"]),
    benchmark:
        LAYOUT.benchmark(RULES["score"])
    conda:
        "../../envs/gavel.yaml"
    threads: THREADS
    resources:
        **asks_for("score"),
    params:
        code=code("score.py"),
        solution_format=config["solution"]["format"],
        answer_type=config["data"]["answer_type"],
        batch_seconds=config["solution"]["batch_seconds"],  # set by its job
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
            LAYOUT.metrics,
            caption="../report/tables.rst",
            category="Tables",
        ),
        comparisons=report(
            LAYOUT.comparisons,
            caption="../report/tables.rst",
            category="Tables",
        ),
        seeds=LAYOUT.seeds,
    log:
        LAYOUT.log(RULES["compute_metrics"]),
    benchmark:
        LAYOUT.benchmark(RULES["compute_metrics"])
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
