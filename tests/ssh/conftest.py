from collections.abc import Iterator

import pytest

from tests.ssh.sshd import Sshd, running


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A server as it comes, for all who do it no harm."""
    with running(tmp_path_factory.mktemp("sshd")) as server:
        yield server
