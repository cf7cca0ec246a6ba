"""The fixture `record_run`: with `--record-runs`, a test that passes leaves what it has run in tests/records."""

from importlib.metadata import PackageNotFoundError, version

import pytest
import torch

import write_runs

RUNS = pytest.StashKey[list]()
# Of an engine, or of a way to share the work.
PACKAGES = {
    "vllm-colocate": "vllm",
    "vllm-server": "vllm",
    "llama.cpp-server": "llama-cpp-python",
    "deepspeed": "deepspeed",
}


def pytest_addoption(parser):
    parser.addoption("--record-runs", action="store_true", help="keep what `record_run` was told, in tests/records")


def installed(name: str) -> str:
    """The version of a package; vLLM's build for CPUs has a distribution of its own."""
    try:
        return version(name)
    except PackageNotFoundError:
        return version(f"{name}-cpu")


@pytest.fixture
def record_run(request):
    """Call it with what the test runs: `record_run(engine="vllm-colocate", algorithm="grpo", lora=True)`.

    It takes the fields of `write_runs.Run` by name, of which only `algorithm` has no default, and `versions`: those of
    packages that run in another Python than the test, such as a server's.
    """
    runs = request.node.stash.setdefault(RUNS, [])

    def note(*, algorithm, engine="transformers", distributed=None, lora=False, versions=(), **more):
        packages = ["torch", "transformers", "trl", *["peft"] * lora]
        packages += [PACKAGES[name] for name in (engine, distributed) if name in PACKAGES]
        found = dict(versions)
        try:
            found = {name: found.get(name) or installed(name) for name in packages} | found
        except PackageNotFoundError as error:
            raise ValueError(
                f"record_run: {error.name.removesuffix('-cpu')} is not installed here; name its version in `versions`"
            ) from None
        defaults = {"processes": 2 if distributed else 1, "resume": False, "chat": False, "model": "tiny"}
        defaults["device"] = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
        run = {"engine": engine, "algorithm": algorithm, "distributed": distributed, "lora": lora} | defaults | more
        runs.append((write_runs.Run(**run), found))

    return note


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    runs = item.stash.get(RUNS, [])
    if call.when == "call" and report.passed and runs and item.config.getoption("--record-runs"):
        write_runs.record(item.nodeid.partition("@")[0], runs)
    return report
