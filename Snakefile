from snakemake.utils import min_version

min_version("9.27")


# A study's file names `study`; what only overrides single keys builds on the default study.
if "study" not in config:

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/sft.smk"
include: "workflow/rules/judge.smk"
include: "workflow/rules/rl.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"


wildcard_constraints:
    run="|".join(RUNS),
    algorithm="|".join(config["rl"]["algorithms"]),


localrules:
    all,
    data,
    sft,
    judge,
    rl,
    evaluate,
    report,


rule all:
    default_target: True
    input:
        rules.report_html.output.html,


rule data:
    input:
        rules.audit_data.output.audit,


rule sft:
    input:
        rules.train_sft.output.best,


rule judge:
    input:
        rules.calibrate_judge.output.calibration,


rule rl:
    input:
        expand(f"{RESULTS}/runs/{{run}}/final", run=CELLS),


rule evaluate:
    input:
        rules.compute_metrics.output.metrics,


rule report:
    input:
        rules.report_html.output.html,
