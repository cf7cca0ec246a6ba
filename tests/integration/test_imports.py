"""What is imported at once stays light: each in a Python of its own."""

import subprocess
import sys


def test_import_is_light():
    code = (
        "import sys, gavel.study.code_digest, gavel.jobs.snakemake_lock; "
        "print([m for m in ('numpy', 'torch', 'mlflow', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_table_of_readers_brings_no_heavy_package():
    program = "import sys, gavel.data.readers; print({'torch', 'datasets', 'numpy', 'pyarrow'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "set()\n"


def test_the_command_line_starts_without_torch():
    """Importing it takes seconds, in which `gavel score | head` would show nothing."""
    code = "import sys, gavel.cli.main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_results_are_read_without_torch():
    code = "import sys, gavel.results; print({'torch', 'transformers', 'matplotlib', 'snakemake'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
