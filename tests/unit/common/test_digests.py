"""Digests of files and folders."""

import pytest

from gavel.common.digests import file_digest, folder_digest


def test_folder_digest_sees_names_and_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "file").write_text("x")
    assert folder_digest(tmp_path / "a") == folder_digest(tmp_path / "b")
    (tmp_path / "b/deep/file").rename(tmp_path / "b/deep/renamed")
    assert folder_digest(tmp_path / "a") != folder_digest(tmp_path / "b")
    with pytest.raises(NotADirectoryError):
        folder_digest(tmp_path / "c")
    assert file_digest(tmp_path / "a/deep/file").startswith("2d711642b726b044")
