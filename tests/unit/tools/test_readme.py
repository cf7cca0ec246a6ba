"""The result tables of README.md and docs/studies/default.md, which `make readme` writes."""

import yaml

import write_readme
from gavel.common.files import write_text
from helpers import fake_results


def test_the_readme_has_a_part_of_the_main_results(tmp_path):
    study = fake_results.build(tmp_path, {"main": 20, "other": 10}, samples=4, algorithms=("grpo", "ppo"), seeds=(0, 1))
    study = {key: value for key, value in study.items() if key not in ("provenance", "unseen_kinds")}
    write_text(tmp_path / "config.yaml", yaml.safe_dump(study))
    lines = write_readme.main_results(tmp_path)
    assert lines[0][:3] == ["run", "`main` (20)", "`other` (10)"]
    assert [line[0] for line in lines[1:]] == [
        "SFT", *(f"{name}, λ = {lam}" for name in ("GRPO", "PPO") for lam in ("0", "0.5", "1"))
    ]  # fmt: skip
    short = write_readme.shortened(lines)
    assert [line[0] for line in short] == ["run", "SFT", "GRPO, λ = 0", "GRPO, λ = 0.5", "GRPO, λ = 1"]
    assert short[3] == [lines[3][0], lines[3][1], lines[3][-1]] and short[3][-1].endswith("] (primary)")
    assert write_readme.pipes([["a", "b"], ["1", "2"]]) == "| a | b |\n|---|---|\n| 1 | 2 |\n"
