rule report_html:
    input:
        metrics=kept(rules.compute_metrics.output.metrics),
        comparisons=kept(rules.compute_metrics.output.comparisons),
        seeds=kept(rules.compute_metrics.output.seeds),
        samples=each_run(rules.score.output.samples),
        monitors=[LAYOUT.runs(run).monitor for run in RUNS],
        trainings=[LAYOUT.runs(run).training for run in RUNS if run != "base"],
        runs=[LAYOUT.runs(run).run_json for run in RUNS],
        calibration=rules.calibrate_judge.output.calibration,
        signal=rules.measure_signal.output.signal,
        verdicts=rules.judge_policy.output.verdicts,
        prompts=[LAYOUT.prompt(BASELINE), rules.judge_policy.output.prompt],
        policies=rules.calibrate_trained.output.policies,
        benchmark=BENCHMARK,
        rollouts=(
            [LAYOUT.rollouts, LAYOUT.questions]
            if config["rl"]["keep_rollouts"]
            else []
        ),
        replays=[LAYOUT.replay(judge).summary for judge in REPLAY_JUDGES],
        replayed_steps=[LAYOUT.replay(judge).steps for judge in REPLAY_JUDGES],
        judge_training=layout.judge_training_files(config),
        audit=rules.audit_data.output.audit,
        splits=rules.prepare_data.output.summary,
    output:
        html=report(
            LAYOUT.report,
            caption="../report/study.rst",
            category="Study",
        ),
        figures=report(
            directory(LAYOUT.figures),
            patterns=["{figure}.svg"],
            caption="../report/figures.rst",
            category="Figures",
        ),
        config=LAYOUT.config,
        samples=LAYOUT.samples,
    log:
        LAYOUT.log(RULES["report_html"]),
    conda:
        "../../envs/gavel.yaml"
    params:
        code=code("report_html.py"),
        study=config,
    script:
        "../scripts/report_html.py"
