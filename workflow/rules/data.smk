import re

DATA = layout.data(config)
SOURCES = [DATA["train"], DATA["pretrain"], *DATA["tests"].values()]


rule fetch:
    output:
        folder=directory(LAYOUT.hub("{what}")),
    log:
        LAYOUT.log(RULES["fetch"]),
    benchmark:
        LAYOUT.benchmark(RULES["fetch"])
    wildcard_constraints:
        what="|".join(map(re.escape, HUB)) or "nothing",
    localrule: True  # Snakemake's machine has a network; those of jobs may not
    conda:
        "../../envs/gavel.yaml"
    params:
        wanted=lambda wildcards: HUB[wildcards.what],
    script:
        "../scripts/fetch.py"


rule prepare_data:
    input:
        [source["path"] for source in SOURCES if source and source["path"]],
        # To check before any training that every question fits the student.
        student=(
            ancient(layout.start_model(config, "student"))
            if "student" in {*HUB, *GGUF}
            else []
        ),
    output:
        pretrain=LAYOUT.data.pretrain,
        labeled=LAYOUT.data.labeled,
        unlabeled=LAYOUT.data.unlabeled,
        validation=LAYOUT.data.validation,
        perturbed=LAYOUT.data.perturbed,
        tests=[LAYOUT.data.test(name) for name in TESTS],
        summary=LAYOUT.data.splits,
        withheld=LAYOUT.withheld,
    log:
        LAYOUT.log(RULES["prepare_data"]),
    benchmark:
        LAYOUT.benchmark(RULES["prepare_data"])
    conda:
        "../../envs/gavel.yaml"
    params:
        code=code("prepare_data.py"),
        settings=DATA,
        solution={
            "solution_format": config["solution"]["format"],
            "reasoning": config["solution"]["reasoning"],
        },
        models=LOCAL_MODELS,  # checked against the data
    script:
        "../scripts/prepare_data.py"


rule audit_data:
    input:
        pretrain=rules.prepare_data.output.pretrain,
        labeled=rules.prepare_data.output.labeled,
        unlabeled=rules.prepare_data.output.unlabeled,
        validation=rules.prepare_data.output.validation,
        tests=rules.prepare_data.output.tests,
    output:
        audit=LAYOUT.data.audit,
    log:
        LAYOUT.log(RULES["audit_data"]),
    benchmark:
        LAYOUT.benchmark(RULES["audit_data"])
    conda:
        "../../envs/gavel.yaml"
    params:
        code=code("audit_data.py"),
        ngram=config["data"]["ngram"],
        tests=TESTS,
    script:
        "../scripts/audit_data.py"
