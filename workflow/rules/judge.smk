rule judge_policy:
    input:
        problems=[
            rules.prepare_data.output.validation,
            rules.prepare_data.output.perturbed,
        ],
        model=START,
        judge=MODELS.get("judge", []),
        answers=answers(
            rules.prepare_data.output.validation, rules.prepare_data.output.perturbed
        ),
        prompts=SOLVING_PROMPT + JUDGING_PROMPTS,
        reference=REFERENCE_PROMPT,
    output:
        verdicts=LAYOUT.judge.verdicts,
        probes=LAYOUT.judge.probes,
        usage=LAYOUT.judge.usage,
        prompt=LAYOUT.judge.prompt,
    log:
        LAYOUT.log(RULES["judge_policy"]),
    benchmark:
        LAYOUT.benchmark(RULES["judge_policy"])
    conda:
        "../../envs/gavel.yaml"
    threads: THREADS
    resources:
        **asks_for("judge_policy"),
    params:
        code=code("judge_policy.py"),
        student=STUDENT_TOKENS,
        judge=JUDGE,
        samples=config["judge"]["calibration_samples"],
        temperature=config["rl"]["temperature"],
        solution=SOLUTION,
    script:
        "../scripts/judge_policy.py"


rule calibrate_judge:
    input:
        verdicts=rules.judge_policy.output.verdicts,
        probes=rules.judge_policy.output.probes,
    output:
        calibration=LAYOUT.judge.calibration,
    log:
        LAYOUT.log(RULES["calibrate_judge"]),
    priority: 10  # its console line should come before the first RL step
    conda:
        "../../envs/gavel.yaml"
    params:
        code=code("calibrate_judge.py"),
        judge=JUDGE,
        min_within_auc=config["judge"]["min_within_auc"],
        max_off_label=config["judge"]["max_off_label"],
    script:
        "../scripts/calibrate_judge.py"


rule measure_signal:
    input:
        verdicts=rules.judge_policy.output.verdicts,
        splits=rules.prepare_data.output.summary,
    output:
        signal=LAYOUT.judge.signal,
    log:
        LAYOUT.log(RULES["measure_signal"]),
    priority: 10  # as for calibrate_judge
    conda:
        "../../envs/gavel.yaml"
    params:
        code=code("measure_signal.py"),
        plan=job_params.signal_plan(config),
        limits=without(config["rl"]["signal"], "on_weak"),
        test_set=config["primary"]["test_set"],
    script:
        "../scripts/measure_signal.py"


rule gate_rl:
    input:
        calibration=rules.calibrate_judge.output.calibration,
        signal=rules.measure_signal.output.signal,
    output:
        gate=LAYOUT.judge.gate,
    log:
        LAYOUT.log(RULES["gate_rl"]),
    retries: 0  # a retry would give the same result
    conda:
        "../../envs/gavel.yaml"
    params:
        code=code("gate_rl.py"),
        stops=job_params.gates(config),
        min_within_auc=config["judge"]["min_within_auc"],
        max_off_label=config["judge"]["max_off_label"],
    script:
        "../scripts/gate_rl.py"
