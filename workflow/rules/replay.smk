def replay_judge(wildcards):
    return REPLAY_JUDGES[wildcards.judge]


rule replay_rollouts:
    input:
        rollouts=[LAYOUT.runs(run).rollouts for run in RL_RUNS],
        questions=[
            rules.prepare_data.output.labeled,
            rules.prepare_data.output.unlabeled,
        ],
        withheld=rules.prepare_data.output.withheld,
        judge=lambda wildcards: replay_judge(wildcards).folders,
        prompts=lambda wildcards: prompt_files(*replay_judge(wildcards).prompts),
    output:
        steps=LAYOUT.replay("{judge}").steps,
        summary=LAYOUT.replay("{judge}").summary,
    log:
        LAYOUT.log(RULES["replay_rollouts"]),
    benchmark:
        LAYOUT.benchmark(RULES["replay_rollouts"])
    wildcard_constraints:
        judge="|".join(REPLAY_JUDGES),
    conda:
        "../../envs/gavel.yaml"
    threads: THREADS
    resources:
        **asks_for("replay_rollouts"),
    params:
        # `judge` has what scores depend on; how a judge is reached reruns nothing.
        code=code_digest(
            SCRIPTS / "replay_rollouts.py",
            LIBRARY,
            unused={"gavel.study.named_judge"},
        ),
        judge=lambda wildcards: replay_judge(wildcards).settings,
        runs=list(RL_RUNS),
        rules=job_params.reward_rules(config),
        every=config["replay"]["every"],
    script:
        "../scripts/replay_rollouts.py"
