STAGE = LAYOUT.judge.training("{stage}")
STAGES = layout.judge_stages(config)
SELF_TAUGHT = job_params.self_taught(config)


rule selection_pairs:
    input:
        problems=rules.prepare_data.output.validation,
        student=MODELS["student"] if config["sft"] else [],
        policy=START,
        prompts=SOLVING_PROMPT,
    output:
        pairs=LAYOUT.judge.selection_pairs,
    log:
        LAYOUT.log(RULES["selection_pairs"]),
    benchmark:
        LAYOUT.benchmark(RULES["selection_pairs"])
    conda:
        "../../envs/gavel.yaml"
    threads: THREADS
    resources:
        **asks_for("selection_pairs"),
    params:
        code=code("solution_pairs.py"),
        student=STUDENT_TOKENS,
        baseline=BASELINE,
        temperature=config["rl"]["temperature"],
        solution=SOLUTION,
        sampling=job_params.judge_pairs(config)["selection"],
    script:
        "../scripts/solution_pairs.py"


use rule selection_pairs as labeled_pairs with:
    input:
        problems=rules.prepare_data.output.labeled,
        student=MODELS["student"] if config["sft"] else [],
        policy=START,
        prompts=SOLVING_PROMPT,
    output:
        pairs=LAYOUT.judge.labeled_pairs,
    log:
        LAYOUT.log(RULES["labeled_pairs"]),
    benchmark:
        LAYOUT.benchmark(RULES["labeled_pairs"])
    params:
        code=code("solution_pairs.py"),
        student=STUDENT_TOKENS,
        baseline=BASELINE,
        temperature=config["rl"]["temperature"],
        solution=SOLUTION,
        sampling=job_params.judge_pairs(config)["labeled"],


rule selection_responses:
    input:
        problems=rules.prepare_data.output.validation,
        student=MODELS["student"] if config["sft"] else [],
        policy=START,
        prompts=SOLVING_PROMPT,
    output:
        responses=LAYOUT.judge.selection_responses,
    log:
        LAYOUT.log(RULES["selection_responses"]),
    benchmark:
        LAYOUT.benchmark(RULES["selection_responses"])
    conda:
        "../../envs/gavel.yaml"
    threads: THREADS
    resources:
        **asks_for("selection_responses"),
    params:
        code=code("checked_responses.py"),
        student=STUDENT_TOKENS,
        baseline=BASELINE,
        temperature=config["rl"]["temperature"],
        solution=SOLUTION,
        sampling=job_params.verifier_responses(config).get("selection"),
    script:
        "../scripts/checked_responses.py"


use rule selection_responses as labeled_responses with:
    input:
        problems=rules.prepare_data.output.labeled,
        student=MODELS["student"] if config["sft"] else [],
        policy=START,
        prompts=SOLVING_PROMPT,
    output:
        responses=LAYOUT.judge.labeled_responses,
    log:
        LAYOUT.log(RULES["labeled_responses"]),
    benchmark:
        LAYOUT.benchmark(RULES["labeled_responses"])
    params:
        code=code("checked_responses.py"),
        student=STUDENT_TOKENS,
        baseline=BASELINE,
        temperature=config["rl"]["temperature"],
        solution=SOLUTION,
        sampling=job_params.verifier_responses(config).get("labeled"),


rule contrasting_pairs:
    input:
        unlabeled=rules.prepare_data.output.unlabeled,
        policy=START,
        prompts=SOLVING_PROMPT,
    output:
        pairs=LAYOUT.judge.pairs("{iteration}"),
    log:
        LAYOUT.log(RULES["contrasting_pairs"]),
    benchmark:
        LAYOUT.benchmark(RULES["contrasting_pairs"])
    wildcard_constraints:
        iteration=r"\d+",
    conda:
        "../../envs/gavel.yaml"
    threads: THREADS
    resources:
        **asks_for("contrasting_pairs"),
    params:
        code=code("contrasting_pairs.py"),
        student=STUDENT_TOKENS,
        temperature=config["rl"]["temperature"],
        solution=SOLUTION,
        settings=SELF_TAUGHT,
    script:
        "../scripts/contrasting_pairs.py"


rule judgments:
    input:
        pairs=rules.contrasting_pairs.output.pairs,
        judge=lambda wildcards: job_params.self_taught_judge(
            config, int(wildcards.iteration)
        ),
        prompts=JUDGING_PROMPTS,
    output:
        judgments=LAYOUT.judge.judgments("{iteration}"),
    log:
        LAYOUT.log(RULES["judgments"]),
    benchmark:
        LAYOUT.benchmark(RULES["judgments"])
    wildcard_constraints:
        iteration=r"\d+",
    priority: 15
    conda:
        "../../envs/gavel.yaml"
    threads: THREADS
    resources:
        **asks_for("judgments"),
    params:
        code=code("judgments.py"),
        judge=JUDGE,
        settings=SELF_TAUGHT,
    script:
        "../scripts/judgments.py"


rule train_judge:
    input:
        start=lambda wildcards: STAGES[wildcards.stage]["start"],
        data=lambda wildcards: STAGES[wildcards.stage]["data"],
        selection=lambda wildcards: STAGES[wildcards.stage]["selection"],
        prompts=JUDGING_PROMPTS,
        launcher=LAUNCHER,
    output:
        best=directory(STAGE.best),
        final=directory(STAGE.final),
        monitor=STAGE.monitor,
        training=STAGE.training,
        run=STAGE.run_json,
    log:
        LAYOUT.log(RULES["train_judge"]),
    benchmark:
        LAYOUT.benchmark(RULES["train_judge"])
    wildcard_constraints:
        stage="|".join(STAGES),
    priority: 15  # stages run one after another, and RL waits for the last
    conda:
        "../../envs/gavel.yaml"
    threads: THREADS
    resources:
        **asks_for("train_judge"),
    params:
        code=code("train_judge.py"),
        compute=COMPUTE,
        judge=JUDGE,
        method=lambda wildcards: STAGES[wildcards.stage]["method"],
        settings=lambda wildcards: STAGES[wildcards.stage]["settings"],
    script:
        "../scripts/train_judge.py"
