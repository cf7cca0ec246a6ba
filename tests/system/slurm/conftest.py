"""The cluster that these tests share."""

import os
from collections.abc import Iterator

import pytest

from helpers.cluster import Cluster, Unavailable

ASKED_FOR = "GAVEL_TEST_SLURM"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    if not os.environ.get(ASKED_FOR):
        pytest.skip(f"starts a Slurm cluster on this machine, so only `make test-slurm` runs it (it sets {ASKED_FOR})")
    try:
        with Cluster() as found, pytest.MonkeyPatch.context() as patch:
            for name, value in found.environment.items():
                patch.setenv(name, value)
            yield found
    except Unavailable as reason:
        pytest.skip(str(reason))
