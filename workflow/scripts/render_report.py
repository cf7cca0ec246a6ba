import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gavel.progress import say, script_log

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "report"):
    import yaml

    import gavel
    from gavel.files import write_text
    from gavel.perturbations import UNSEEN
    from gavel.provenance import file_digest, git_commit, hardware, versions
    from gavel.report import render, rulegraph
    from gavel.study_tracking import run_links, study_run

    study, files = snakemake.params.study, snakemake.output
    generated = any(source["reader"] == "generator" for source in study["data"]["tests"].values())
    facts = {
        "versions": versions(),
        "hardware": hardware(),
        "commit": git_commit(Path.cwd()),
        "command": f"snakemake --cores all {files.html}",
        "generated": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "data": {
            path.stem: file_digest(path)[:16] for path in sorted(Path(study["results_dir"], "data").rglob("*.jsonl"))
        },
    }
    study = study | {"unseen_kinds": sorted(UNSEEN) if generated else None, "provenance": facts}
    write_text(files.config, yaml.safe_dump(snakemake.params.study, sort_keys=False, allow_unicode=True))
    snakefile = Path(gavel.__file__).parents[3] / "Snakefile"
    render(
        study["results_dir"],
        study,
        files.html,
        figures_dir=files.figures,
        graph=rulegraph.ask(snakefile, files.config, files.html),
        mlflow=run_links(snakemake.config),
        samples=files.samples,
    )
    with study_run(snakemake.config, say) as mirror:
        for path in (files.html, files.figures, snakemake.input.metrics, snakemake.input.comparisons):
            mirror.artifact(path, "figures" if path == files.figures else None)
    say(f"open {files.html}", console=True)
