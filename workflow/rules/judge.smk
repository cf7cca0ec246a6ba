rule calibrate_judge:
    input:
        check=ancient(rules.check_models.output[0]),
        validation=rules.prepare_data.output.validation,
        model=rules.train_sft.output.best,
        judge=MODELS.get("judge", []),
        store=ancient(rules.tracking_store.output[0]),
    output:
        calibration=f"{RESULTS}/judge/calibration.json",
        verdicts=f"{RESULTS}/judge/calibration.jsonl",
    log:
        f"{RESULTS}/logs/judge.log",
    benchmark:
        f"{RESULTS}/benchmarks/judge.tsv"
    conda:
        "../../envs/gavel.yaml"
    threads: THREADS
    resources:
        **RESOURCES,
    params:
        code=code("calibrate_judge.py"),
        student=STUDENT,
        judge=JUDGE,
        samples=config["judge"]["calibration_samples"],
        temperature=config["rl"]["temperature"],
        solution=config["solution"],
    script:
        "../scripts/calibrate_judge.py"
