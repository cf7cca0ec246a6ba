import shutil
from typing import TYPE_CHECKING

from gavel.common.log import info, script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "report"):
    import yaml

    from gavel.common.files import write_text
    from gavel.common.redaction import redact_config
    from gavel.frames.final import final_values
    from gavel.report import provenance
    from gavel.report.page import render
    from gavel.study.layout import Layout
    from gavel.study.results_version import record_version
    from gavel.tracking.study import add_results, run_links, send_unsent, server_pages, study_run, unsent_message

    study, files = snakemake.params.study, snakemake.output
    record_version(study["results_dir"])  # a module's `onstart`, which records it otherwise, does not run
    add_results(snakemake.config, final_values(Layout(study["results_dir"]), study), info)
    send_unsent(snakemake.config, info)
    write_text(files.config, yaml.safe_dump(redact_config(study), sort_keys=False, allow_unicode=True))
    render(
        study["results_dir"],
        study | provenance.gather(study, files.html),
        files.html,
        figures_dir=files.figures,
        mlflow=run_links(snakemake.config),
        mlflow_pages=server_pages(snakemake.config),
        samples=files.samples,
    )
    shutil.rmtree(Layout(study["results_dir"]).unfinished.root, ignore_errors=True)
    with study_run(snakemake.config, info) as mirror:
        for path in (files.html, files.figures, snakemake.input.metrics, snakemake.input.comparisons):
            mirror.artifact(path, "figures" if path == files.figures else None)
    if lacking := unsent_message(snakemake.config):
        info(lacking, console=True)
