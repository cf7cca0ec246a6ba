"""`gavel resources`: measured figures beside what was asked for."""

import pytest
import yaml

from gavel.cli import main, resources

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def write(root, name: str, seconds: float, memory, busy: float) -> None:
    path = root / "benchmarks" / f"{name}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{HEAD}{seconds}\t0:00:00\t{memory}\t0\t0\t0\t0\t0\t0\t{busy}\n")


@pytest.fixture
def results(tmp_path):
    write(tmp_path, "rl/grpo-lambda0-seed0", 600, 1000, 570)
    write(tmp_path, "rl/ppo-lambda0-seed0", 300, 3000, 600)
    write(tmp_path, "judge", 60, 500, 30)
    write(tmp_path, "judge/grpo-lambda0-seed0", 30, 400, 15)
    write(tmp_path, "data", 0, "NA", 0)
    return tmp_path


@pytest.mark.parametrize("content", [b"caf\xe9\n1\n", b"s\n1\n", (HEAD + "x\n").encode(), b"\x00\n\x00\n"])
def test_a_file_that_is_no_benchmark_is_one_line(results, content, capsys):
    path = results / "benchmarks" / "sft.tsv"
    path.write_bytes(content)
    assert main.main(["resources", str(results)]) == 2
    assert capsys.readouterr().err == f"gavel: {path}: not a benchmark file of Snakemake's; delete it\n"


def test_the_largest_of_a_rules_jobs_counts(results):
    found = resources.used_resources(results / "benchmarks")
    assert list(found) == ["prepare_data", "judge_policy", "judge_trained", "train_rl"]
    rl = found["train_rl"]
    assert (rl.jobs, rl.memory, rl.seconds, rl.cores) == (2, 3000, 600, 2.0)
    assert (found["prepare_data"].memory, found["prepare_data"].cores) == (0, 0)


def test_the_lines_to_paste_are_yaml_with_the_margin(results, capsys):
    (results / "config.yaml").write_text("compute: {threads: 2, mem_mb: 3100, runtime: 60}\n")
    assert main.main(["resources", str(results), "--margin", "2"]) == 0
    text = capsys.readouterr().out
    # 3,000 MiB are 3,146 MB: more than was requested; doubled and rounded up, 6,500.
    assert "| train_rl | 2 | 3,146 | 3,100 | 10.0 | 60 | 2.00 | 2 |" in text
    assert "train_rl used more than it requested." in text
    indented = "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))
    pasted = yaml.safe_load(indented)
    assert pasted["compute"] == {"threads": 2, "mem_mb": 6500, "runtime": 20}
    assert pasted["set-resources"]["judge_trained"] == {"mem_mb": "1000 * attempt", "runtime": "10 * attempt"}


def test_cores_above_the_threads_are_told(results, capsys):
    assert main.main(["resources", str(results)]) == 0
    assert "train_rl used 2.0 cores, but requested 1." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [("none", "", "no benchmark files"), ("odd", "a\tb\n1\t2\n", "not a benchmark file")],
)
def test_what_cannot_be_read_is_said_in_one_line(tmp_path, capsys, name, text, message):
    (tmp_path / "benchmarks").mkdir()
    if text:
        (tmp_path / "benchmarks" / f"{name}.tsv").write_text(text)
    assert main.main(["resources", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
    assert main.main(["resources", str(tmp_path), "--margin", "0.5"]) == 2
    assert "--margin 0.5: give a number of 1 or more" in capsys.readouterr().err
