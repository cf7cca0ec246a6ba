# With these a training job knows the gold answer of every question. Only a simulated judge and the bounds with all
# answers get them.
TRAINING_ANSWERS = [
    rules.prepare_data.output.labeled,
    rules.prepare_data.output.unlabeled,
    rules.prepare_data.output.withheld,
    rules.prepare_data.output.validation,
]


# What RL waits for. Once it has passed, a gate that is checked again trains nothing again.
GATE = ancient(rules.gate_rl.output.gate) if job_params.gates(config) else []
# What judges that watch depend on. Without any, none of it is a param, so that it retrains nothing.
WATCHED = {name: judge.settings for name, judge in WATCHERS.items()}
RL_UNUSED = {"gavel.study.named_judge"} | TYPES_UNUSED
RL_UNUSED |= judges.unused_modules(JUDGE, *WATCHED.values())
if not WATCHED:
    RL_UNUSED |= {"gavel.training.rl.watchers"}
RL_CODE = {  # whether the run is a control -> its code
    control: code_digest(
        SCRIPTS / "train_rl.py",
        LIBRARY,
        unused=RL_UNUSED | (set() if control else {"gavel.judge.controls"}),
    )
    for control in (True, False)
}


rule train_rl:
    input:
        verdicts=rules.judge_policy.output.verdicts,
        gate=GATE,
        start=START,
        labeled=rules.prepare_data.output.labeled,
        unlabeled=rules.prepare_data.output.unlabeled,
        validation=rules.prepare_data.output.validation,
        judge=MODELS.get("judge", []),
        answers=lambda wildcards: (
            TRAINING_ANSWERS
            if KNOWS_ANSWERS or RL_RUNS[wildcards.run].get("control") == "all-answers"
            else []
        ),
        terms=[term["file"].rpartition(":")[0] for term in config["rl"]["reward_terms"]],
        watchers=[judge.folders for judge in WATCHERS.values()],
        prompts=list(
            dict.fromkeys(
                SOLVING_PROMPT
                + JUDGING_PROMPTS
                + [
                    file
                    for judge in WATCHERS.values()
                    for file in prompt_files(*judge.prompts)
                ]
            )
        ),
        launcher=LAUNCHER,
    output:
        best=directory(LAYOUT.runs("{run}").best),
        final=directory(LAYOUT.runs("{run}").final),
        monitor=LAYOUT.runs("{run}").monitor,
        training=LAYOUT.runs("{run}").training,
        run=LAYOUT.runs("{run}").run_json,
        rollouts=(
            directory(LAYOUT.runs("{run}").rollouts)
            if config["rl"]["keep_rollouts"]
            else []
        ),
    log:
        LAYOUT.log(RULES["train_rl"]),
    benchmark:
        LAYOUT.benchmark(RULES["train_rl"])
    wildcard_constraints:
        run="|".join(RL_RUNS),
    priority: 5  # training takes longest, so it comes before evaluations
    conda:
        "../../envs/gavel.yaml"
    threads: THREADS
    resources:
        **asks_for("train_rl"),
    params:
        **({"watch": WATCHED} if WATCHED else {}),
        code=lambda wildcards: RL_CODE["control" in RL_RUNS[wildcards.run]],
        compute=COMPUTE,
        grid_run=lambda wildcards: RL_RUNS[wildcards.run],
        student=STUDENT_TOKENS,
        judge=JUDGE,
        settings=job_params.rl(config),
        # Excluded so that a stopped run can resume with a larger limit.
        solution=without(SOLUTION, "batch_seconds"),
    script:
        "../scripts/train_rl.py"


use rule judge_policy as judge_trained with:
    input:
        problems=[rules.prepare_data.output.validation],
        model=rules.train_rl.output.final,
        judge=MODELS.get("judge", []),
        answers=answers(rules.prepare_data.output.validation),
        prompts=SOLVING_PROMPT + JUDGING_PROMPTS,
    output:
        verdicts=LAYOUT.judge.run_verdicts("{run}"),
        usage=LAYOUT.judge.run_usage("{run}"),
    log:
        LAYOUT.log(RULES["judge_trained"]),
    benchmark:
        LAYOUT.benchmark(RULES["judge_trained"])
    wildcard_constraints:
        run="|".join(GRID_RUNS),


rule calibrate_trained:
    input:
        verdicts=expand(rules.judge_trained.output.verdicts, run=GRID_RUNS),
    output:
        policies=LAYOUT.judge.policies,
    log:
        LAYOUT.log(RULES["calibrate_trained"]),
    conda:
        "../../envs/gavel.yaml"
    params:
        code=code("calibrate_trained.py"),
        runs=list(GRID_RUNS),
    script:
        "../scripts/calibrate_trained.py"


if config["rl"]["keep_rollouts"]:

    rule rollouts_table:
        input:
            rollouts=expand(LAYOUT.runs("{run}").rollouts, run=RL_RUNS),
            questions=[
                rules.prepare_data.output.labeled,
                rules.prepare_data.output.unlabeled,
                rules.prepare_data.output.validation,
            ],
            withheld=rules.prepare_data.output.withheld,
        output:
            table=LAYOUT.rollouts,
            followed=LAYOUT.questions,
        log:
            LAYOUT.log(RULES["rollouts_table"]),
        conda:
            "../../envs/gavel.yaml"
        params:
            code=code("rollouts_table.py"),
            runs=list(RL_RUNS),
            rules=job_params.reward_rules(config),
            accepts=job_params.acceptance(config),
        script:
            "../scripts/rollouts_table.py"
