"""Options that vLLM's engine gets wherever it is started, for rollouts and for evaluation."""

import os
from typing import Any

from gavel.models.loading import device


def device_options(*, own_seeds: bool) -> dict[str, Any]:
    """Options of an engine that is about to start on this machine's device.

    On a CPU, compiling would take minutes, and vLLM would reserve most of the machine's memory for its cache: it gets 1
    GiB, unless `VLLM_CPU_KVCACHE_SPACE` (in GiB) is set. The engine computes in this process, since two more would
    only import vLLM again, unless `VLLM_ENABLE_V1_MULTIPROCESSING` is set.

    Args:
        own_seeds: every request has a seed. Then prompts are not split on a CPU: vLLM would rewind the request's
            generator, which PyTorch's generators for CPUs cannot do.
    """
    on_cpu = device().type == "cpu"
    if on_cpu:
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    whole_prompts = {"enable_chunked_prefill": False} if on_cpu and own_seeds else {}
    return {"enforce_eager": on_cpu} | whole_prompts
