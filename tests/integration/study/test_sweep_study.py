"""Two variants of the small study that share their baseline, through Snakemake."""

from gavel.common.files import read_jsonl
from gavel.study.layout import Layout
from helpers.small import STUDY, Project, generator


def test_a_shared_baseline_is_trained_once_and_then_left_alone(tmp_path):
    project = Project(tmp_path)
    for note in tmp_path.glob("resources/models/*/gavel.json"):
        note.unlink()  # weights that name no pretrain split go with a short one, which takes no seconds to make
    variants = {"first": {}, "second": {"judge": {"score": "hard"}}}
    project.configure(
        sweep={"variants": variants},
        rl={"algorithms": ["grpo"]},
        sft={"epochs": 1},
        data=STUDY["data"] | {"pretrain": generator("pretrain", 300, 0)},
    )
    files = [Layout(f"results/small/{name}").evaluation("sft", "main").responses for name in variants]
    targets = [*(f"results/small/{name}/runs/sft/best" for name in variants), *files]
    done = project.run(*targets, "--quiet", "host")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (done.stdout + done.stderr).splitlines()
    said = [line for line in lines if "sft]" in line]
    assert any(line.startswith("[first: sft] step") for line in said), said
    assert not any(line.startswith("[second: sft] step") for line in said), said
    trained, shared = (project.results / name / "runs/sft" for name in variants)
    for part in ("best/model.safetensors", "final/model.safetensors"):
        assert (trained / part).samefile(shared / part)
    assert (trained / "monitor.csv").read_text() == (shared / "monitor.csv").read_text()
    ran = {line.split("rule ")[1].rstrip(":") for line in lines if "rule " in line and line.endswith(":")}
    assert {"first_train_sft", "second_train_sft", "first_generate", "second_share_responses"} <= ran
    assert not {"second_generate", "first_share_responses"} & ran
    first, second = (read_jsonl(tmp_path / file) for file in files)
    assert list(first) == list(second)
    planned = project.planned()
    assert {"first_train_rl", "second_train_rl", "compare_variants"} <= planned
    assert not ran - {"first_generate"} & planned  # the RL runs' responses are left
