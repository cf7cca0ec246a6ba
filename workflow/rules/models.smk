rule convert_gguf:
    input:
        source=lambda wildcards: GGUF[wildcards.which].path,
    output:
        model=directory(LAYOUT.converted("{which}")),
    log:
        LAYOUT.log(RULES["convert_gguf"]),
    benchmark:
        LAYOUT.benchmark(RULES["convert_gguf"])
    wildcard_constraints:
        which="|".join(GGUF) or "nothing",
    conda:
        "../../envs/gavel.yaml"
    threads: THREADS
    resources:
        **RESOURCES,
    params:
        code=code("convert_gguf.py"),
        file=lambda wildcards: GGUF[wildcards.which].file,
        dtype=lambda wildcards: config[wildcards.which]["dtype"],
    script:
        "../scripts/convert_gguf.py"
