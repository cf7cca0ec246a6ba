"""Versions, hardware and commit, as this machine's own programs name them."""

import subprocess

from gavel.common.environment import git_commit, hardware, versions


def test_versions_and_hardware():
    found = versions()
    assert found["python"].startswith("3.") and found["numpy"] and "gavel" in found
    machine = hardware()
    assert machine["cores"] >= 1 and machine["cpu"] and isinstance(machine["gpus"], list)


def test_git_commit(tmp_path):
    assert git_commit(tmp_path) == {"commit": None, "dirty": None}
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/file").write_text("1")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "first"], check=True)
    clean = git_commit(tmp_path)
    assert len(clean["commit"]) == 40 and clean["dirty"] is False
    (tmp_path / "inner/file").write_text("2")
    assert git_commit(tmp_path) == {"commit": clean["commit"], "dirty": True}
    assert git_commit(tmp_path / "inner") == {"commit": None, "dirty": None}
