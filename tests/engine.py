"""The Docker engine that tests of images and containers need."""

import gc
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

START = "sudo tests/testbed/up"


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[Any]:
    """A client of the running engine; where none runs, the test is skipped."""
    client = _client()
    if client is None:
        pytest.skip(f"no Docker engine answers; to start one: {START}")
    yield client
    client.close()


def _client() -> Any:
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=600)
        client.ping()
        return client
    except DockerException:
        pass
    with warnings.catch_warnings():
        # docker leaves the socket open that nobody answered. It goes here, where nobody is told.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    return None
