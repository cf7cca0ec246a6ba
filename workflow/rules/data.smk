import re

DATA = layout.data(config)
SOURCES = [DATA["train"], DATA["pretrain"], *DATA["tests"].values()]


rule fetch:
    output:
        folder=directory(f"{RESULTS}/hub/{{what}}"),
    log:
        f"{RESULTS}/logs/hub/{{what}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/hub/{{what}}.tsv"
    wildcard_constraints:
        what="|".join(map(re.escape, HUB)) or "nothing",
    localrule: True  # where Snakemake runs, there is a network; where jobs run, there may be none
    conda:
        "../../envs/gavel.yaml"
    params:
        wanted=lambda wildcards: HUB[wildcards.what],
    script:
        "../scripts/fetch.py"


rule prepare_data:
    input:
        [source["path"] for source in SOURCES if source and source["path"]],
        # Whether every question fits the student is known before anything trains.
        student=ancient(f"{RESULTS}/hub/student") if "student" in HUB else [],
    output:
        pretrain=f"{RESULTS}/data/pretrain.jsonl",
        labeled=f"{RESULTS}/data/labeled.jsonl",
        unlabeled=f"{RESULTS}/data/unlabeled.jsonl",
        validation=f"{RESULTS}/data/validation.jsonl",
        perturbed=f"{RESULTS}/data/validation-perturbed.jsonl",
        tests=expand(f"{RESULTS}/data/test/{{set}}.jsonl", set=TESTS),
        summary=f"{RESULTS}/data/splits.json",
    log:
        f"{RESULTS}/logs/data.log",
    benchmark:
        f"{RESULTS}/benchmarks/data.tsv"
    conda:
        "../../envs/gavel.yaml"
    params:
        code=code("prepare_data.py"),
        settings=DATA,
        solution_format=config["solution"]["format"],
        models=SHIPPED,
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
        audit=f"{RESULTS}/data/audit.json",
    log:
        f"{RESULTS}/logs/audit.log",
    benchmark:
        f"{RESULTS}/benchmarks/audit.tsv"
    conda:
        "../../envs/gavel.yaml"
    params:
        code=code("audit_data.py"),
        ngram=config["data"]["ngram"],
        tests=TESTS,
    script:
        "../scripts/audit_data.py"
