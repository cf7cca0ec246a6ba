include: "rules/common.smk"
include: "rules/models.smk"
include: "rules/data.smk"
include: "rules/scratch.smk"
include: "rules/sft.smk"
include: "rules/judge.smk"
include: "rules/rl.smk"
include: "rules/evaluate.smk"


if SFT_CONTROLS:

    include: "rules/controls.smk"


if layout.judge_stages(config):

    include: "rules/judge_training.smk"


if config["judge"]["benchmark"]:

    include: "rules/judge_benchmark.smk"


if REPLAY_JUDGES:

    include: "rules/replay.smk"


include: "rules/report.smk"


wildcard_constraints:
    run="|".join(RUNS),
    algorithm="|".join(config["rl"]["algorithms"]),


rule data:
    input:
        rules.audit_data.output.audit,
    localrule: True


rule sft:
    input:
        START,
        LAYOUT.runs(BASELINE).run_json,
    localrule: True


rule judge:
    input:
        rules.calibrate_judge.output.calibration,
        BENCHMARK,
    localrule: True


rule rl:
    input:
        [LAYOUT.runs(run).final for run in GRID_RUNS],
    localrule: True


rule evaluate:
    input:
        rules.compute_metrics.output.metrics,
    localrule: True


rule report:
    input:
        rules.report_html.output.html,
    localrule: True


onsuccess:
    from gavel.report import console

    console.print_results([config], since=STARTED)


onerror:
    # A failed run prevents the report; print what the other runs achieved.
    from gavel.report import unfinished

    unfinished.write_reports([config])
