"""The examples on the page about rewards work as written."""

import re
import textwrap

import yaml

from gavel.common.paths import ROOT
from gavel.study.schema.training import Rl
from gavel.training.rl.reward_terms import RewardTerm, RewardTermSettings

PAGE = (ROOT / "docs" / "how-to" / "rewards.md").read_text()
BLOCKS = [textwrap.dedent(block) for block in re.findall(r"(?:^(?:    .*)?\n)*^    .*\n", PAGE, re.MULTILINE)]
GATE, TERM, FILTER = BLOCKS


def test_the_example_of_a_gate_has_the_default_limits():
    found = Rl.model_validate(yaml.safe_load(GATE)["rl"])
    assert found.signal.model_copy(update={"on_weak": "warn"}) == Rl().signal
    assert found.signal.on_weak == "stop"


def test_the_example_of_a_term_works(tmp_path):
    code, config = TERM.split("# study.yaml")
    (tmp_path / "my_terms.py").write_text(code)
    (settings,) = Rl.model_validate(yaml.safe_load(config)["rl"]).reward_terms
    file, _, name = settings.file.rpartition(":")
    term = RewardTerm.load(RewardTermSettings(f"{tmp_path / file}:{name}", settings.weight))
    assert term(["q"] * 3, ["", "word " * 20, "word " * 60], ["4", None, None]) == [1.0, 0.5, 0.0]


def test_the_example_of_a_filter_is_a_config():
    found = Rl.model_validate(yaml.safe_load(FILTER)["rl"])
    assert (found.group_filter.by, found.group_filter.redraws) == ("outcome", 3)
