"""Renamed keys are rejected anywhere in the config, and the error names the new key."""

import pytest
import yaml
from snakemake.cli import parse_config
from snakemake.utils import update_config

from gavel.cli.main import main
from gavel.common.errors import InputError
from gavel.common.nested import merge
from gavel.common.paths import ROOT
from gavel.study import resolve, sweep
from gavel.study.schema import study as schema
from gavel.study.schema.renamed import RENAMED, old_keys, renamed
from helpers.configs import default

TEST_SET = "plus"  # of the default study, for the `*` in a path


def at(path: str, value: object = 1) -> dict:
    """A config with nothing but a value at a path."""
    found = value
    for key in reversed(path.replace("*", TEST_SET).split(".")):
        found = {key: found}
    return found


def said(old: str) -> str:
    old, new = (path.replace("*", TEST_SET) for path in (old, RENAMED[old]))
    return f"unknown key {old!r}; it is now {new!r}"


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_key_is_gone_and_the_new_one_exists(old):
    def exists(path: str) -> bool:
        *section, key = path.split(".")
        return key in schema.siblings(section)

    assert not exists(old) and exists(RENAMED[old])
    assert renamed(old.split(".")) == RENAMED[old]
    assert not renamed(RENAMED[old].split("."))


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_key_in_a_file_is_refused_with_the_new_one(old):
    with pytest.raises(InputError) as error:
        resolve.resolve(merge(default(), at(old)), ROOT)
    assert str(error.value).startswith(f"config: {said(old)}") and "\n" not in str(error.value)


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_key_on_the_command_line_is_refused_with_the_new_one(old):
    """As Snakemake merges `--config` into the default study."""
    (section, value), config = *at(old).items(), default()
    update_config(config, parse_config([f"{section}={yaml.safe_dump(value, default_flow_style=True)}"]))
    with pytest.raises(InputError) as error:
        resolve.resolve(config, ROOT)
    assert str(error.value).startswith(f"config: {said(old)}")


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_key_of_a_variant_is_refused_with_the_variant_and_the_new_key(old):
    raw = default() | {"study": "mine", "results_dir": "results/mine"}
    raw["sweep"] = {"variants": {"first": {}, "second": at(old)}}
    with pytest.raises(InputError) as error:
        sweep.resolve(raw, ROOT)
    assert str(error.value).startswith(f"sweep.variants.second: {said(old)}")


@pytest.mark.parametrize("old", RENAMED)
def test_results_of_an_earlier_version_are_refused_with_both_names(old, tmp_path, capsys):
    study = schema.load(default())
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(merge(study, at(old))))
    assert main(["compare", str(tmp_path), "--out", str(tmp_path / "page.html")]) == 2
    error = capsys.readouterr().err
    old, new = (path.replace("*", TEST_SET) for path in (old, RENAMED[old]))
    assert error == (
        f"gavel: {tmp_path}/config.yaml: was written by an earlier version: the key {old!r} is now {new!r}; "
        "rerun the study with this version, or leave it out\n"
    )


def test_of_several_old_keys_the_first_is_named_and_the_others_are_counted():
    study = schema.load(default())
    for old in RENAMED:
        study = merge(study, at(old))
    found = old_keys(study)
    assert len(found) == len(RENAMED)
    with pytest.raises(InputError, match=rf"is now '[\w.]+' \(and {len(RENAMED) - 1} more\); rerun the study"):
        schema.fill_defaults(study)


def test_a_config_of_this_version_has_no_old_key():
    assert old_keys(schema.load(default())) == {}
