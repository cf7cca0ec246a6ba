rule report_html:
    input:
        metrics=kept(rules.compute_metrics.output.metrics),
        comparisons=kept(rules.compute_metrics.output.comparisons),
        seeds=kept(rules.compute_metrics.output.seeds),
        samples=each_run(rules.score.output.samples),
        monitors=expand(f"{RESULTS}/runs/{{run}}/monitor.csv", run=RUNS),
        trainings=expand(f"{RESULTS}/runs/{{run}}/training.csv", run=RUNS),
        runs=expand(f"{RESULTS}/runs/{{run}}/run.json", run=RUNS),
        calibration=rules.calibrate_judge.output.calibration,
        verdicts=rules.judge_policy.output.verdicts,
        policies=rules.calibrate_trained.output.policies,
        benchmark=BENCHMARK,
        judge_training=layout.judge_training_files(config),
        audit=rules.audit_data.output.audit,
        splits=rules.prepare_data.output.summary,
    output:
        html=report(
            f"{RESULTS}/report.html",
            caption="../report/study.rst",
            category="Study",
        ),
        figures=report(
            directory(f"{RESULTS}/figures"),
            patterns=["{figure}.svg"],
            caption="../report/figures.rst",
            category="Figures",
        ),
        config=f"{RESULTS}/config.yaml",
        samples=f"{RESULTS}/samples.parquet",
    log:
        f"{RESULTS}/logs/report.log",
    conda:
        "../../envs/gavel.yaml"
    params:
        code=code("report_html.py"),
        study=config,
    script:
        "../scripts/report_html.py"
