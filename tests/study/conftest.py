import pytest
from small import Project


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Project:
    """The small study, run once from nothing."""
    project = Project(tmp_path_factory.mktemp("study"))
    done = project.run()
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return project
