from collections.abc import Iterator

import httpx
import pytest

from tests.service.serving import BUILTIN, TOKEN, Server, serving

MAX_BYTES = 100_000
MAX_REQUESTS = 5


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server as it comes."""
    with serving(tmp_path_factory.mktemp("serve"), *BUILTIN) as server:
        yield server


@pytest.fixture(scope="session")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that wants a token, has one slot, and takes little, also on one connection."""
    limits = "--workers", 1, "--queue", 1, "--max-bytes", MAX_BYTES
    of_connections = "--max-requests-per-connection", MAX_REQUESTS
    folder = tmp_path_factory.mktemp("strict")
    with serving(folder, *BUILTIN, *limits, *of_connections, token=TOKEN) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    """Asks `server`."""
    with server.client() as client:
        yield client
