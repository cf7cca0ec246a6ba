import re


rule fetch:
    output:
        folder=directory(LAYOUT.hub("{what}")),
    log:
        LAYOUT.log(RULES["fetch"]),
    benchmark:
        LAYOUT.benchmark(RULES["fetch"])
    wildcard_constraints:
        what="|".join(map(re.escape, HUB)) or "nothing",
    localrule: True  # where Snakemake runs, there is a network; where jobs run, there may be none
    conda:
        "../../envs/gavel.yaml"
    params:
        wanted=lambda wildcards: HUB[wildcards.what],
    script:
        "../scripts/fetch.py"
