"""Rollouts by vLLM's server: what reaches TRL's configuration and vLLM's command line. The real one needs GPUs."""

import json
import sys
import urllib.request

import pytest

from gavel.common.errors import InputError
from gavel.common.paths import ROOT
from gavel.study import params
from gavel.study.schema.training import Rl, Vllm
from gavel.training.rl import algorithms
from gavel.training.rl.algorithms import Passes
from gavel.training.rl.grpo_config import trainer_config
from gavel.training.rl.rollout_server import rollout_access
from gavel.training.rl.settings import RLSettings, VllmSettings

STAND_IN = ROOT / "tests" / "helpers" / "stand_ins" / "vllm_server"
JOB = {"mode": "server", "serve": "job", "gpus": [1, 2]}
EXTERNAL = {"mode": "server", "base_url": "http://node7:8000"}


@pytest.fixture
def vllm(monkeypatch, tmp_path):
    """`trl vllm-serve` is the real one and finds a vLLM that answers health checks; yields what that one saw."""
    monkeypatch.syspath_prepend(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(STAND_IN))
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    yield lambda: json.loads((tmp_path / "seen").read_text())
    for name in [name for name in sys.modules if name.split(".")[0] == "vllm"]:
        del sys.modules[name]


def config(vllm: dict | None, **changes) -> dict:
    """The section `rl` as resolved, in a study."""
    return {"rl": Rl(algorithms=["grpo"], vllm=vllm and Vllm(**vllm), **changes).model_dump(by_alias=True)}


def trl(resolved: dict, vllm: VllmSettings | None, folder):
    """TRL's configuration as `rl.train.train` makes it of the rule's params and what `rollout_access` adds."""
    return trainer_config(
        algorithms.get("grpo"),
        RLSettings.from_section(params.rl(resolved), vllm),
        Passes(1, 1),
        max_new_tokens=8,
        seed=0,
        folder=str(folder),
        vllm=vllm,
    )


def test_a_job_s_server_is_trl_s_on_the_gpus_that_it_was_given(vllm, monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,7")
    resolved, groups = config(JOB), []
    for _ in range(2):
        with rollout_access(resolved, "runs/sft/best", tmp_path / "x.log") as settings:
            made = trl(resolved, settings, tmp_path)
            assert urllib.request.urlopen(made.vllm_server_base_url + "/health", timeout=5).status == 200
        groups.append(made.vllm_group_port)
    assert (made.use_vllm, made.vllm_mode) == (True, "server")
    port = made.vllm_server_base_url.removeprefix("http://127.0.0.1:")
    assert made.vllm_group_port not in (51216, int(port))
    assert len(set(groups)) == 2
    seen = vllm()
    assert seen["words"][:6] == ["serve", "runs/sft/best", "--host", "127.0.0.1", "--port", port]
    assert "--weight-transfer-config" in seen["words"]
    assert (seen["CUDA_VISIBLE_DEVICES"], seen["VLLM_SERVER_DEV_MODE"]) == ("5,7", "1")
    with pytest.raises(OSError):
        urllib.request.urlopen(made.vllm_server_base_url + "/health", timeout=5)
    assert (tmp_path / "x.rollout-server.log").exists()


def test_a_server_that_does_not_start_is_named(vllm, monkeypatch, tmp_path):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.delenv("SEEN")
    with (
        pytest.raises(
            InputError, match=r"rl.vllm: `trl vllm-serve --model m .* did not start a server: it ended with status 1"
        ),
        rollout_access(config(JOB), "m", tmp_path / "x.log"),
    ):
        pass
    assert "KeyError: 'SEEN'" in (tmp_path / "x.rollout-server.log").read_text()


def test_an_external_server_is_where_the_config_says(vllm, tmp_path):
    resolved = config(EXTERNAL | {"timeout_s": 9})
    with rollout_access(resolved, "m", tmp_path / "x.log") as settings:
        made = trl(resolved, settings, tmp_path)
    assert (made.vllm_server_base_url, made.vllm_server_timeout, made.vllm_group_port) == (
        "http://node7:8000",
        9,
        51216,
    )


def test_without_vllm_transformers_samples(tmp_path):
    with rollout_access(config(None), "m", tmp_path / "x.log") as settings:
        assert not trl(config(None), settings, tmp_path).use_vllm


def test_how_rollouts_are_reached_reruns_nothing_and_what_is_sampled_does():
    same = [
        config(vllm)
        for vllm in (
            JOB,
            EXTERNAL,
            EXTERNAL | {"timeout_s": 9, "warn_logp_difference": 0.2},
            JOB | {"gpus": [3], "startup_timeout_s": 60},
        )
    ]
    assert len({json.dumps(params.rl(resolved)) for resolved in same}) == 1
    for other in (
        config({}),
        config(None),
        config(EXTERNAL | {"max_model_length": 99}),
        config(EXTERNAL | {"importance_sampling_mode": "token_mask"}),
        config(EXTERNAL, kl_coefficient=0.1),
    ):
        assert params.rl(other) != params.rl(same[0])
