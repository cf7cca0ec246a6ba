"""How `make test` shares the tests among its processes."""

import pytest


def test_the_tests_of_a_file_run_in_one_process(request):
    """Otherwise each process sets up the small study, and every module's fixtures, for itself."""
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("not under pytest-xdist's loadgroup")
    assert request.node.nodeid.endswith("@unit/test_groups")
