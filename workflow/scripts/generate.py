from pathlib import Path
from typing import TYPE_CHECKING

from gavel.common.log import script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], f"generate {snakemake.wildcards.run}"):
    from gavel.common.files import write_jsonl
    from gavel.evaluation.generate import generate, is_copy, write_greedy
    from gavel.jobs.launch import run_in_subprocess
    from gavel.jobs.threads import use_threads
    from gavel.models.loading import Student
    from gavel.models.task import Task

    use_threads(snakemake.threads)
    params, files, outputs_of = snakemake.params, snakemake.input, snakemake.output
    sampling, settings = params.sampling, snakemake.config["evaluation"]
    for model, outputs, n, other in (
        (files.main, outputs_of.samples, sampling["samples"], None),
        (files.alternate, outputs_of.alternate, 0, files.main),
    ):
        if not model or (other and is_copy(str(model), str(other))):  # one checkpoint, or the last was the best
            for path, done in zip(outputs, outputs_of.samples, strict=True):
                write_greedy(done, path) if model else write_jsonl(path, [])
            continue
        arguments = dict(
            model=str(model),
            student=Student(**params.student),
            task=Task.from_config(params.solution),
            files=list(zip(files.tests, outputs, strict=True)),
            n=n,
            sampled=[sampling["sampled_questions"].get(name) for name in params.tests],
            temperature=sampling["temperature"],
            seed=sampling["seed"],
            limits={key: settings[key] for key in ("batch_size", "batch_tokens")},
            vllm=sampling["vllm"],
            prompt_output=snakemake.output.prompt if n else None,
        )
        if sampling["vllm"]:  # its engine frees GPU memory only when its process ends
            run_in_subprocess(generate, Path(outputs[0]).with_suffix(".job.json"), snakemake.threads, **arguments)
        else:
            generate(**arguments)
