from typing import TYPE_CHECKING

from gavel.progress import bar, script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], f"generate {snakemake.wildcards.run}"):
    from gavel.compute import use_threads
    from gavel.evaluation import generate

    use_threads(snakemake.threads)
    params, files = snakemake.params, snakemake.input
    n = params.sampling["samples"]
    for model, outputs, samples in (
        (files.headline, snakemake.output.samples, n),
        (files.alternate, snakemake.output.alternate, 0),
    ):
        for questions, output in zip(files.tests, outputs, strict=True):
            generate(
                model=str(model),
                student=params.student,
                questions=questions,
                output=output,
                prompt=params.solution["prompt"],
                max_new_tokens=params.solution["max_new_tokens"],
                n=samples,
                temperature=params.sampling["temperature"],
                seed=params.sampling["seed"],
                batch_size=snakemake.config["evaluation"]["batch_size"],
                batch_tokens=snakemake.config["evaluation"]["batch_tokens"],
                vllm=params.sampling["vllm"],
                progress=bar,
            )
