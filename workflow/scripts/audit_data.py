from typing import TYPE_CHECKING

from gavel.common.files import read_jsonl, write_json
from gavel.common.log import info, script_log
from gavel.data.audit import audit

if TYPE_CHECKING:
    from snakemake.script import snakemake

with script_log(snakemake.log[0], "audit"):
    names = ("pretrain", "labeled", "unlabeled", "validation")
    report = audit(
        {name: list(read_jsonl(snakemake.input[name])) for name in names},
        {
            name: list(read_jsonl(path))
            for name, path in zip(snakemake.params.tests, snakemake.input.tests, strict=True)
        },
        n=snakemake.params.ngram,
    )
    write_json(snakemake.output.audit, report)
    info(f"clean: {report['clean']}", console=True)
